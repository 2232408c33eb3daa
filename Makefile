# Everything runs from its own virtual environment; Python 3.11 or newer and make are enough.
# "make" alone lists what there is.

PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && \
	{ echo $$python; break; }; done)
VENV ?= .venv
BIN := $(VENV)/bin
# The benchmark plugin refuses to share a run with parallel workers.
PYTEST := $(BIN)/python -m pytest -p no:benchmark
WORKERS ?= auto
ARGS ?=

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1

# Modules that decide numbers: every line and branch of them is tested.
COVERED := core catalog density addresses
comma := ,
empty :=
space := $(empty) $(empty)
COVERED_FILES := $(foreach m,$(COVERED),*/eks_win_capacity/$(m).py */eks_win_capacity/$(m)/*)
COVERED_FILES := $(subst $(space),$(comma),$(strip $(COVERED_FILES)))

.DEFAULT_GOAL := help
.PHONY: help demo test coverage coverage-report fuzz mutants lint format readme docs bench bench-scale bench-smoke build clean

help:  ## List the commands
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

demo: $(VENV)/.base  ## Size the demo fleet of 6,000 Windows nodes; the result goes to out/
	@mkdir -p out
	$(BIN)/eks-win-capacity fleet data/demo/fleet.csv --out out/fleet_sized.csv

test: $(VENV)/.test  ## Run the whole test suite (ARGS="-k words" for a part)
	$(PYTEST) -q -n $(WORKERS) --maxprocesses 8 --dist worksteal $(ARGS)

coverage: $(VENV)/.test  ## Run the suite; fail unless models and floor are covered to the last branch
	$(PYTEST) -q -n $(WORKERS) --maxprocesses 8 --dist worksteal --cov --cov-report= $(ARGS)
	@$(MAKE) --no-print-directory coverage-report

coverage-report: $(VENV)/.test
	@$(BIN)/python -m coverage report --include='$(COVERED_FILES)' --fail-under=100

fuzz: $(VENV)/.test  ## Throw seeded nonsense at core and readers (ARGS="--seconds 600" for longer)
	$(BIN)/python .ci/fuzz.py $(ARGS)

mutants: $(VENV)/.test  ## Break models and floor on purpose; 95 % must be noticed (up to an hour)
	$(BIN)/python .ci/mutants.py $(ARGS)

lint: $(VENV)/.dev  ## Check format, style, types, layers and the house
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PYTEST) -q tests/house/test_house.py

format: $(VENV)/.dev  ## Format the code and mend what the linter can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

readme: $(VENV)/.base  ## Write into README.md and docs/ what their commands print today
	$(BIN)/python .ci/readme.py

docs: $(VENV)/.docs  ## Build the documentation into docs/_build (a minute); warnings are errors
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build

bench: $(VENV)/.bench  ## Measure against what users would write instead (minutes)
	$(BIN)/python -m pytest -q benchmarks $(ARGS)

bench-scale: $(VENV)/.bench  ## Size 10 million rows of Parquet in every engine (15 minutes; ARGS="--rows 1e8")
	@$(BIN)/python -m pip install -qq --editable '.[bench,engines]'
	$(BIN)/python -m benchmarks.scale $(ARGS)

bench-smoke: $(VENV)/.bench  ## Run each benchmark once, small and unmeasured
	$(BIN)/python -m pytest -q benchmarks --benchmark-disable $(ARGS)

build: $(VENV)/.dev  ## Build sdist and wheel into dist/
	$(BIN)/python -m build --outdir dist .

clean:  ## Remove the environment and all that was built
	rm -rf $(VENV) out build docs/_build dist htmlcov .coverage .coverage.* .pytest_cache .mypy_cache \
		.ruff_cache .import_linter_cache .benchmarks .hypothesis

$(VENV)/.created:
	@if [ -z "$(PYTHON)" ]; then \
		echo "error: no Python 3.11 or newer found; name one: make PYTHON=/path/to/python3.11" >&2; \
		exit 1; fi
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "error: $(PYTHON) is no Python 3.11 or newer; name one: make PYTHON=python3.11" >&2; \
		exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "error: $(PYTHON) lacks venv; on Debian and Ubuntu: apt install python3-venv" >&2; \
		exit 1; }
	@echo "Setting up $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv --clear $(VENV)
	@touch $@

# One stamp for each set of packages; a change of pyproject.toml installs anew.
$(VENV)/.base: EXTRAS :=
$(VENV)/.test: EXTRAS := [test]
$(VENV)/.bench: EXTRAS := [bench]
$(VENV)/.dev: EXTRAS := [dev]
$(VENV)/.docs: EXTRAS := [docs]
$(VENV)/.base $(VENV)/.test $(VENV)/.bench $(VENV)/.dev $(VENV)/.docs: $(VENV)/.created pyproject.toml
	@echo "Installing eks-win-capacity$(EXTRAS) into $(VENV)"
	@$(BIN)/python -m pip install -qq --editable '.$(EXTRAS)'
	@touch $@
