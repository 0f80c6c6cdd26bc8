# `make demo` and `make test` install what they need into .venv first.
# With uv where it is there, else with venv and pip.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null)

.DEFAULT_GOAL := check
.PHONY: demo run test chaos check fix lint types imports bench lock clean

demo: $(VENV)/.installed
	$(BIN)/docent demo

run: $(VENV)/.installed
	$(BIN)/docent run

# One worker more than there are processors: a third of the time, tests wait for processes to start.
WORKERS = $(shell $(PYTHON) -c "import os; print((os.cpu_count() or 1) + 1)")

test: $(VENV)/.installed-dev
	$(BIN)/pytest -n $(WORKERS) --dist worksteal

# Kill -9 at every step, with the figures; CHAOS_SEED=7 make chaos plays another plan.
chaos: $(VENV)/.installed-dev
	$(BIN)/pytest -s -m 'thorough or not thorough' tests/chaos

check: lint types imports test

lint: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/.installed-dev
	$(BIN)/mypy

imports: $(VENV)/.installed-dev
	$(BIN)/lint-imports

# All take an hour on two cores. BENCH="--only lag --quick" make bench runs one, shortly.
bench: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks $(BENCH)

fix: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Hashes and versions only: no line of these files names a registry.
lock: $(VENV)/.installed-dev
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --custom-compile-command "make lock" --group build pyproject.toml -o requirements.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --custom-compile-command "make lock" --group dev pyproject.toml -o requirements-dev.txt

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis

# The project itself goes in editable, built by the hatchling that the lock names.
ifdef UV
MAKE_VENV = $(UV) venv --quiet --python $(PYTHON) $(VENV)
PIP_INSTALL = $(UV) pip install --quiet --python $(BIN)/python
else
MAKE_VENV = $(PYTHON) -m venv $(VENV)
PIP_INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check
endif

$(BIN)/python:
	@echo "Making $(VENV) ..."
	@$(MAKE_VENV)

$(VENV)/.installed: requirements.txt pyproject.toml | $(BIN)/python
	@echo "Installing Docent into $(VENV) (about a minute the first time) ..."
	@$(PIP_INSTALL) --require-hashes -r requirements.txt
	@$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt pyproject.toml | $(BIN)/python
	@echo "Installing Docent and its development tools into $(VENV) ..."
	@$(PIP_INSTALL) --require-hashes -r requirements-dev.txt
	@$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@ $(VENV)/.installed
