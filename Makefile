# `make demo` and `make test` need Python 3.10 or later and nothing else; they set up what they use.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
export DAGSTER_HOME ?= $(CURDIR)/.dagster

# A container that writes no .pyc makes every process compile the project anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo ui test lint check format test-services mutants torture bench lock clean

demo: $(VENV)/.user          ## run the example intents on bundled real data and print what was built
	$(BIN)/medallion run --dagster --from 2013-01-01 --to 2026-09-05

ui: $(VENV)/.user            ## open Dagster on the result
	$(BIN)/medallion ui

test: $(VENV)/.dev           ## every test that needs no service
	$(BIN)/pytest -n auto --dist worksteal -m "not browser and not service"

lint: $(VENV)/.dev           ## format, lint, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test             ## what must pass everywhere; with -j2 side by side

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

test-services: $(VENV)/.dev  ## the tests that need a real program beside them: Ceph, Azurite, PostgreSQL, MariaDB, Kafka, Spark, Chromium
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m "browser or service"

mutants: $(VENV)/.dev        ## break every rule of silver once and show which test falls
	$(BIN)/python -m medallion_assets_tests.mutants $(ARGS)

torture: $(VENV)/.dev        ## kill, race and starve runs by the hundred; ARGS="--backend all --count 1000"
	$(BIN)/python -m medallion_assets_tests.torture $(ARGS)

bench: $(VENV)/.bench        ## speed and memory, as ratios; benchmarks/README.md
	$(BIN)/python benchmarks/small_job.py
	$(BIN)/python benchmarks/bronze_csv.py --times 4
	$(BIN)/python benchmarks/jsonl.py
	$(BIN)/python benchmarks/objects.py
	$(BIN)/python benchmarks/rest.py
	$(BIN)/python benchmarks/silver.py
	$(BIN)/python benchmarks/database.py
	$(BIN)/python benchmarks/load.py
	$(BIN)/python benchmarks/backfill.py

lock: $(VENV)/.dev           ## renew the exact versions after a change of pyproject.toml
	$(BIN)/uv pip compile --universal --python-version 3.10 --all-extras --no-annotate --no-header --quiet \
		--output-file constraints.txt pyproject.toml

clean:
	rm -rf lake .dagster $(VENV)

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.user: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[ui]"
	touch $@

# uv takes a fifth of pip's time. It does not read pip.conf: where it finds no index, pip does the work.
$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt uv
	$(BIN)/uv pip install --python $(BIN)/python --quiet --constraint constraints.txt --editable ".[dev]" \
		|| $(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@ $(VENV)/.user

$(VENV)/.bench: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev,bench]"
	touch $@ $(VENV)/.dev $(VENV)/.user
