"""The documented way to install: from the built wheel, by hash, and without any name that somebody could register."""

from __future__ import annotations

import configparser
import re
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parent.parent
_GUIDE = (_ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
_LOCKS = sorted((_ROOT / "requirements").glob("*.lock"))
_PINNED = re.compile(
    r"^([a-z0-9-]+)(?:\[[a-z0-9,-]+\])?==(\S+)(?: ;[^\\]*)? \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)",
    re.MULTILINE,
)
_PAGES = sorted([*(_ROOT / "docs").glob("*.md"), _ROOT / "README.md"])
_PACKAGES = ("messenger_core", "synapse_modules", "directory_service", "bridge_bot", "retention", "gesundheitsid")
_VENV = "/opt/hek-messenger"


def _blocks() -> list[str]:
    """The two blocks of commands: to build, and to install."""
    section = _GUIDE.split("## Installing")[1].split("\n## ")[0]
    return [block.strip() for block in re.findall(r"```sh\n(.*?)```", section, re.DOTALL)]


def _pins(path: Path) -> dict[tuple[str, str], frozenset[str]]:
    text = path.read_text(encoding="utf-8") + "\n"
    return {
        (name, version): frozenset(re.findall(r"[0-9a-f]{64}", hashes))
        for name, version, hashes in _PINNED.findall(text)
    }


def _run(command: str, folder: Path) -> None:
    done = subprocess.run(["sh", "-euc", command], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize(
    "page", sorted([*(_ROOT / "docs").glob("*.md"), _ROOT / "README.md"]), ids=lambda page: page.name
)
def test_no_page_installs_the_package_by_its_name(page: Path) -> None:
    for line in page.read_text(encoding="utf-8").splitlines():
        if re.search(r"\bpip3? install\b", line):
            assert "--require-hashes" in line or "-e ." in line, line


@pytest.mark.parametrize("lock", _LOCKS, ids=lambda lock: lock.stem)
def test_what_a_machine_installs_is_what_the_tests_ran_with(lock: Path) -> None:
    pins, tested = _pins(lock), _pins(_ROOT / "requirements.lock")
    assert len(pins) == lock.read_text(encoding="utf-8").count("==")
    for pin, hashes in pins.items():
        assert hashes
        assert hashes <= tested[pin]


def test_every_component_has_its_lock_file() -> None:
    settings = configparser.ConfigParser(interpolation=None)
    settings.read(_ROOT / "setup.cfg", encoding="utf-8")
    extras = settings["options.extras_require"]
    assert {lock.stem for lock in _LOCKS} == set(extras) - {"service", "matrix-session", "sandbox", "dev"}
    for lock in _LOCKS:
        assert f"`{lock.stem}`" in _GUIDE or lock.stem == "homeserver-tools"
        names = {name for name, _ in _pins(lock)}
        for line in (*extras[lock.stem].splitlines(), *settings["options"]["install_requires"].splitlines()):
            wanted = re.match(r"[A-Za-z0-9_-]+", line.strip())
            if wanted:
                assert wanted[0].lower().replace("_", "-") in names


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the file with its hash, as the guide's first block makes them."""
    folder = tmp_path_factory.mktemp("dist")
    build = _blocks()[0].replace(".venv/bin/python", sys.executable)
    assert "--no-index" in build
    # Built from a copy: a build leaves its own folders beside what it builds.
    source = tmp_path_factory.mktemp("clone")
    archive = f"git -C '{_ROOT}' ls-files -z | (cd '{_ROOT}' && xargs -0 tar cf - --ignore-failed-read) | tar xf - -C ."
    _run(archive, source)
    _run(build, source)
    for path in (source / "dist").iterdir():
        path.rename(folder / path.name)
    return folder


def _installing(built: Path, folder: Path) -> str:
    """The guide's second block, into a folder of the test; the packages of others are those of this environment."""
    make, others, own = _blocks()[1].splitlines()
    assert "--require-hashes" in others
    assert re.search(r"-r [a-z-]+\.lock$", others)
    make = make.replace("python3 -m venv", f"{sys.executable} -m venv --system-site-packages").replace(
        _VENV, str(folder)
    )
    return f"cd '{built}'\n{make}\n{own.replace(_VENV, str(folder))}"


def test_the_documented_commands_install_the_wheel(built: Path, tmp_path: Path) -> None:
    _run(_installing(built, tmp_path / "here"), tmp_path)
    [site] = (tmp_path / "here").glob("lib/python*/site-packages")
    for package in (
        "messenger_core",
        "synapse_modules",
        "directory_service",
        "bridge_bot",
        "retention",
        "gesundheitsid",
    ):
        assert (site / package / "__init__.py").exists()
    assert (site / "synapse_modules" / "templates" / "hek_page.html").exists()
    assert (site / "synapse_modules" / "texts.yaml").exists()


def test_another_wheel_than_the_one_that_was_built_is_refused(built: Path, tmp_path: Path) -> None:
    for path in built.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    [wheel] = tmp_path.glob("*.whl")
    wheel.write_bytes(wheel.read_bytes() + b"\0")
    with pytest.raises(AssertionError, match=r"(?i)hash"):
        _run(_installing(tmp_path, tmp_path / "here"), tmp_path)
