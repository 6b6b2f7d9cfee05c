"""What ``up`` prints: addresses, who can sign in, how to open a Matrix client, where the logs are."""

from __future__ import annotations

import sys

from sandbox.identity_provider.register import read_people
from sandbox.people import DEMO_PEOPLE, HEK_IK
from sandbox.running import Folder, Ready


def say(line: str) -> None:
    """Prints a line at once, also into a pipe."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def complain(line: str) -> None:
    """Prints what went wrong."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def tell(ready: Ready, folder: Folder) -> None:
    """Tells a newcomer what runs and how to go on."""
    people, agents = read_people(folder.people_file)
    say(f"\nThe messenger runs. Matrix homeserver: {ready.homeserver} ({ready.server_name})")
    say(f"  GesundheitsID (broker):   {ready.gesundheitsid}")
    say(f"    TI federation (stand-in): {ready.federation_master}, identity provider {ready.sectoral_idp}")
    say(f"  Directory of practices:   {ready.directory}")
    say(f"    Page for patients:      {ready.directory}/praxissuche")
    say(f"    Page for practices:     {ready.directory}/praxis")
    say(f"  HEK Messenger (bot):      {ready.bot}, account {ready.support_user}")
    say(f"  Retention:                {ready.retention}, account {ready.service_user}")
    say("\nPeople, who sign in with GesundheitsID (made up, for this machine only):")
    for person in people[:DEMO_PEOPLE]:
        say(f"  {person.name:8}{person.display_name:20} PIN {person.pin}   {_remark(person.ik, person.level)}")
    say("Agents, who sign in with the staff sign-in:")
    for agent in agents:
        say(f"  {agent.name:8}{agent.display_name:20} PIN {agent.pin}   {ready.agents[agent.name]['user_id']}")
    say("Practices, whose software signs in with its key:")
    for name, practice in ready.practices.items():
        say(f"  {name:8}{practice['user_id']}   {'may be reached' if practice['opted_in'] else 'did not opt in'}")
    say("\nWith a Matrix client of your own (Element Desktop, for example):")
    say(f"  at the sign-in choose Edit next to the homeserver, enter {ready.homeserver},")
    say("  choose GesundheitsID, then a person, and enter the PIN.")
    say("Agents answer, and people decide about old chats, from devices that they confirmed (cross-signing) alone.")
    say(f"  A client that cannot do that: python -m sandbox confirm --dir {folder.path} NAME DEVICE")
    say(f"\nLog files: {ready.log_dir}")
    say("Stop everything with Ctrl-C.")


def _remark(ik: str, level: str) -> str:
    if ik != HEK_IK:
        return "insured elsewhere: is refused"
    return "insured with HEK" if level.endswith("-high") else "HEK, but a weak sign-in: is refused"
