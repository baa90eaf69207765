# Everything a person or CI runs. `make help` lists it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help env demo test chaos check format reference binary bench clean

help:  ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):[^#]*## (.*)/  make \1\t\2/' | expand -t 18

env: $(STAMP)  ## make .venv with the program and its development tools

# Debian splits venv off its python3: install it when we may, say so when we may not.
$(STAMP): setup.cfg pyproject.toml
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || { rm -rf $(VENV); \
	  test "$$(id -u)" = 0 && command -v apt-get >/dev/null || { \
	    echo "python3-venv is missing: run 'sudo apt-get install python3-venv', then make again"; exit 1; }; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv >/dev/null; \
	  $(PYTHON) -m venv $(VENV); }
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $(STAMP)

demo: $(STAMP)  ## the whole main job on 1,000,000 rows, SIGKILL included (well under a minute)
	$(BIN)/python examples/demo.py

test: $(STAMP)  ## every test, from nothing
	$(BIN)/python -m tests.memory $(BIN)/python -m pytest -n 3 --dist worksteal

MINUTES ?= 4
STORE ?= all
SEED ?= 0
chaos: $(STAMP)  ## torment every store for MINUTES=4 each (STORE=sqlite, mariadb, mysql or all; SEED=n replays), or targets (TARGET=mariadb or mysql)
	$(BIN)/python -m tests.chaos --store $(STORE) $(if $(TARGET),--target $(TARGET)) --minutes $(MINUTES) --seed $(SEED)

check: $(STAMP)  ## lint, format, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP)  ## rewrite the code in the house format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

reference: $(STAMP)  ## renew the reference part of docs/cli.md from the commands
	$(BIN)/python -m tests.cli.reference

binary: $(STAMP)  ## dist/schemabot: the whole program in one file (needs python3.11+ where it runs)
	@mkdir -p dist
	$(BIN)/shiv --console-script schemabot --compressed --output-file dist/schemabot \
	  --python '/usr/bin/env python3' --quiet .
	@ls -lh dist/schemabot

bench: $(STAMP)  ## the benchmarks, bounded (about fifteen minutes)
	$(BIN)/python -m bench.claims
	$(BIN)/python -m bench.shared
	$(BIN)/python -m bench.rebuild
	$(BIN)/python -m bench.planning
	$(BIN)/python -m bench.planning_mysql
	$(BIN)/python -m bench.binlog
	$(BIN)/python -m bench.http
	$(BIN)/python -m bench.idle

clean:  ## remove what make made
	rm -rf $(VENV) dist build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
