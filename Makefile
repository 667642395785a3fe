# Every target makes what it needs: a virtual environment in .venv with the packages that constraints.txt pins.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

.PHONY: help demo test test-neural check format broker bench soak chaos fuzz quality dashboards clean
.DELETE_ON_ERROR:

help:
	@echo "make demo       half a minute of freshrank in this terminal; needs no Kafka"
	@echo "make test       all tests; those marked 'broker' need Docker, or Java 17 with Maven"
	@echo "make test-neural  those of the neural member, with JAX, which it installs"
	@echo "make check      what CI runs: format, lint, types, import contracts, tests"
	@echo "make format     put the code into its format"
	@echo "make broker     a real Kafka on a local port until Ctrl-C (Java 17 and Maven)"
	@echo "make bench      speed and memory, in one table and in build/bench.json"
	@echo "make soak       20 million events of ever-new users and items: memory over time, in build/soak.json"
	@echo "make chaos      over 200 faults of 50 kinds on a real worker and broker; SEED=N replays a run"
	@echo "make fuzz       a million hostile inputs for all that reads bytes, in build/fuzz.json; SEED=N for the same ones"
	@echo "make quality    recall, calibration, freshness and drift, in QUALITY.md and build/quality.json"
	@echo "make dashboards the JSON of Grafana's dashboards, from deploy/grafana"
	@echo "make clean      remove all that these targets made"

demo: .venv/.runtime
	@$(BIN)/freshrank demo

test: .venv/.development
	@$(BIN)/pytest

test-neural: .venv/.neural
	@$(BIN)/pytest -m neural

check: .venv/.development
	@echo "format" && $(BIN)/ruff format --check --quiet .
	@echo "lint" && $(BIN)/ruff check --quiet .
	@echo "types" && $(BIN)/mypy
	@echo "import contracts" && $(BIN)/lint-imports --no-logo
	@echo "tests" && $(BIN)/pytest

format: .venv/.development
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format .

broker: .venv/.development
	@exec $(BIN)/python -m tests.broker

bench: .venv/.development
	@$(BIN)/python -m tests.bench

soak: .venv/.development
	@$(BIN)/python -m tests.soak

chaos: .venv/.development
	@$(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED))

fuzz: .venv/.development
	@$(BIN)/python -m tests.fuzz $(if $(SEED),--seed $(SEED))

quality: .venv/.development
	@$(BIN)/python -m tests.quality

dashboards: .venv/.development
	@$(BIN)/python -m deploy.grafana

# State that a worker saved (var/) is not ours to delete.
clean:
	@rm -rf .venv build dist .kafka *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@echo "clean"

.venv/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "freshrank needs Python 3.11 or later, but '$(PYTHON)' is $$($(PYTHON) --version 2>&1)." >&2; \
	  echo "Name another: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "'$(PYTHON)' cannot make virtual environments; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@echo "making a virtual environment in .venv"
	@$(PYTHON) -m venv .venv
	@touch $@

.venv/.runtime: .venv/.python pyproject.toml constraints.txt
	@echo "installing freshrank"
	@$(PIP) install --editable . --constraint constraints.txt
	@touch $@

.venv/.development: .venv/.runtime
	@echo "installing what its tests need"
	@$(PIP) install --editable '.[dev]' --constraint constraints.txt
	@touch $@

.venv/.neural: .venv/.development
	@echo "installing JAX"
	@$(PIP) install --editable '.[neural]' --constraint constraints.txt
	@touch $@
