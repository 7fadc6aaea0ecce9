PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
# Scripts name their interpreter by its path, which must hold no space or quotation mark; modules do not mind.
RUN := $(VENV)/bin/python -m
INSTALLED := $(VENV)/.installed

.PHONY: setup demo test lint ui up down

setup: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	"$(PYTHON)" -m venv $(VENV)
	$(RUN) pip install --quiet --disable-pip-version-check --progress-bar off -c constraints.txt -e '.[dev]'
	touch $@

demo: $(INSTALLED)
	$(RUN) orchestration.command demo

# Tests start clusters, which need a plain path to the interpreter. A worker needs a core, and up to 5 GB of memory: with
# one more than cores the whole takes as long.
test: lint
	"$$($(RUN) orchestration.interpreter)" -m pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

lint: $(INSTALLED)
	$(RUN) ruff format --check .
	$(RUN) ruff check .
	$(VENV)/bin/python $(VENV)/bin/lint-imports --no-logo
	$(RUN) mypy
	GENREC_HOME=$(VENV)/.home DG_CLI_CONFIG=.ci/dg.toml $(RUN) dagster_dg_cli.cli check defs

ui: $(INSTALLED)
	$(RUN) orchestration.command ui

up: $(INSTALLED)
	$(RUN) orchestration.command up

down: $(INSTALLED)
	$(RUN) orchestration.command down
