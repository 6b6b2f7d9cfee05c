# Sets everything up in .venv and runs, tests or checks it. Another Python: make run PYTHON=python3.12
PYTHON ?= python3
DATA ?= data

.PHONY: run test test-quick test-clocks soak lint lock setup
.SILENT:
.ONESHELL:
SHELL := /bin/sh
.SHELLFLAGS := -eu -c
# Every path below is relative, so that the clone may lie anywhere, and be moved.
VENV := .venv/bin/python

run: setup
	exec $(VENV) -m sandbox up --dir "$(DATA)" --ready "$(DATA)/ready.json"

# Databases lie in memory where there is room: the tests kill processes, not machines, and waiting for disks is long.
define databases_in_memory
	if [ "$$(df --output=avail -k /dev/shm 2>/dev/null | tail -n 1)" -gt 4000000 ] 2>/dev/null; then
		TMPDIR="$$(mktemp -d /dev/shm/hek-messenger-tests.XXXXXX)"
		trap 'rm -rf "$$TMPDIR"' EXIT
		trap 'exit 1' INT TERM
		chmod 711 "$$TMPDIR" # PostgreSQL runs as a user of its own
		export TMPDIR
	fi
endef

# Two processes at a time, so that one computes while the other waits. One test alone: .venv/bin/python -m pytest FILE
test: setup
	$(databases_in_memory)
	$(VENV) -m pytest -n 2

# For the hand, in less than a minute: rules, search, and stores on SQLite.
test-quick: setup
	$(databases_in_memory)
	$(VENV) -m pytest -n 2 --quick

# Everything but the system tests, at each moment that has broken tests somewhere: docs/testing.md. Two of them, others
# each day: make test-clocks CLOCKS=--today
CLOCKS ?=
test-clocks: setup
	$(databases_in_memory)
	$(VENV) -m tests.clocks $(CLOCKS)

# The long proof that no message is lost: 5,000 messages, their answers, and 50 kills. Again: make soak SEED=…
SEED ?=
soak: setup
	exec $(VENV) -m tests.system.nothing_lost $(if $(SEED),--seed "$(SEED)")

lint: setup
	$(VENV) -m ruff check .
	$(VENV) -m ruff format --check .
	$(VENV) -m mypy
	$(VENV) -c 'import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())'

# What is pinned: every package of every extra with its hashes, for all machines and Python 3.11 upwards; and in
# requirements/ what a machine installs that runs one component alone, at the same versions.
INSTALLED := homeserver synapse-modules directory-service gesundheitsid bridge-bot retention homeserver-tools
lock:
	command -v uv >/dev/null || { echo "make lock: uv is missing; install it (https://docs.astral.sh/uv/) and try again" >&2; exit 1; }
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--extra dev setup.cfg -o requirements.lock
	mkdir -p requirements
	for extra in $(INSTALLED); do
		uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
			--extra "$$extra" --constraint requirements.lock setup.cfg -o "requirements/$$extra.lock"
	done

# Installs only when the lock file, setup.cfg, the Python or the clone's place changed; offline otherwise.
setup:
	missing() { echo "make: $$1" >&2; exit 1; }
	command -v git >/dev/null || missing "git is missing; install it: apt install git"
	command -v "$(PYTHON)" >/dev/null || missing "$(PYTHON) is missing; install Python 3.11 or newer: apt install python3 python3-venv"
	"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| missing "$(PYTHON) is older than Python 3.11; name a newer one: make PYTHON=python3.12"
	"$(PYTHON)" -c 'import venv, ensurepip' 2>/dev/null \
		|| missing "the module venv of $(PYTHON) is missing; install it: apt install python3-venv"
	wanted="$$(cat requirements.lock setup.cfg pyproject.toml | sha256sum | cut -c1-64) $$("$(PYTHON)" -V) $$(pwd -P)"
	if [ -x $(VENV) ] && [ "$$(cat .venv/made-for 2>/dev/null || true)" = "$$wanted" ]; then exit 0; fi
	if ! $(VENV) -c 'import pip' 2>/dev/null || [ "$$($(VENV) -V)" != "$$("$(PYTHON)" -V)" ]; then
		echo "Making the virtual environment .venv …"
		"$(PYTHON)" -m venv --clear .venv || missing "the virtual environment could not be made; see above"
	fi
	echo "Installing the pinned packages (the first time takes a few minutes and needs the network) …"
	pip="$(VENV) -m pip --disable-pip-version-check --quiet"
	$$pip install --require-hashes -r requirements.lock || missing "the packages could not be installed; see above"
	$$pip install --no-deps --no-build-isolation -e . || missing "the messenger could not be installed; see above"
	printf '%s' "$$wanted" > .venv/made-for
	echo "Installed."
