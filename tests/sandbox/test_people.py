"""The demo people are who the story needs, with identifiers that hold."""

from __future__ import annotations

from messenger_core.identifiers import check_ik, check_kvnr, check_telematik_id
from sandbox.people import (
    AGENTS,
    DEMO_PEOPLE,
    HEK_IK,
    PRACTICES,
    demo_people,
    fresh_person,
    fresh_practice,
    new_kvnr,
)


def test_every_made_up_kvnr_has_a_valid_check_digit() -> None:
    for _ in range(200):
        check_kvnr(new_kvnr())


def test_the_demo_people_are_three_insured_one_insured_elsewhere_and_one_with_a_weak_sign_in() -> None:
    people = {person.name: person for person in demo_people()}
    assert list(people) == ["erika", "max", "jonas", "otto", "lena"]
    assert len(people) == DEMO_PEOPLE
    assert {name for name, person in people.items() if person.ik != HEK_IK} == {"otto"}
    assert {name for name, person in people.items() if not person.level.endswith("-high")} == {"lena"}
    for person in people.values():
        check_kvnr(person.kvnr)
        check_ik(person.ik)


def test_sommer_and_herbst_opt_in_and_winter_does_not() -> None:
    assert {practice.name for practice in PRACTICES if practice.opts_in} == {"sommer", "herbst"}
    assert {practice.name for practice in PRACTICES if not practice.opts_in} == {"winter"}
    for practice in PRACTICES:
        check_telematik_id(practice.telematik_id)


def test_names_that_commands_take_are_unique() -> None:
    names = [one.name for group in (demo_people(), AGENTS, PRACTICES) for one in group]
    assert len(names) == len(set(names))


def test_fresh_people_and_practices_differ_from_each_other() -> None:
    people = [fresh_person("Erika") for _ in range(20)]
    assert len({person.kvnr for person in people}) == len(people)
    practices = [fresh_practice(opts_in=True) for _ in range(20)]
    assert len({practice.telematik_id for practice in practices}) == len(practices)
    for practice in practices:
        check_telematik_id(practice.telematik_id)
