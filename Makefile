# `make demo` needs git, make and Python >= 3.10. It writes only to .venv and .mdp.

PYTHON ?= $(shell for p in python3.12 python3.11 python3.13 python3.10 python3; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null \
	&& { echo $$p; break; }; done)
VENV := .venv
RUN := $(VENV)/bin/python
MDP := $(VENV)/bin/mdp
INSTALLED := $(VENV)/.installed
PACKAGE := $(VENV)/.package

# The tests use emulators of Google's services. These need Python >= 3.11 and have a separate environment.
EMULATORS_PYTHON ?= $(shell for p in $(PYTHON) python3.12 python3.11 python3.13 python3.14 python3; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { echo $$p; break; }; done)
EMULATORS := .venv-emulators
EMULATORS_INSTALLED := $(EMULATORS)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo dev backfill as-of test test-quick test-bigquery bench chaos check fix query rebuild-raw replay-shops shop-csv docs-tables new-source lock clean emulators

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | sort | awk -F'\t' '{printf "  make %-13s %s\n", $$1, $$2}'

# The package and its command `mdp`, from this checkout. Repeated when the checkout has moved or pyproject.toml has
# changed. It downloads nothing: the lock file has what builds it.
setup: $(INSTALLED)  ## install what is missing into .venv
	@test "$$(cat $(PACKAGE) 2>/dev/null)" = "$(CURDIR)" && test $(PACKAGE) -nt pyproject.toml && test -x $(MDP) || { \
		PIP_DISABLE_PIP_VERSION_CHECK=1 $(RUN) -m pip install --quiet --quiet --no-deps --no-build-isolation \
			--no-index --editable . && echo "$(CURDIR)" > $(PACKAGE); }

$(INSTALLED): requirements.lock
	@test -n "$(PYTHON)" || { echo "error: no Python >= 3.10 found; install one, or run make PYTHON=/path/to/python3"; \
		exit 1; }
	@echo "==> Setting up $(VENV) with $$($(PYTHON) --version) (a minute or two)"
	@test -x $(RUN) || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "error: $(PYTHON) can't make a virtual environment; on Debian: apt-get install python3-venv"; exit 1; }
	@$(RUN) -m pip --version >/dev/null 2>&1 || $(RUN) -m ensurepip >/dev/null  # an environment of uv has no pip
	@PIP_DISABLE_PIP_VERSION_CHECK=1 $(RUN) -m pip install --quiet --quiet --require-hashes --no-deps -r requirements.lock
	@touch $@

emulators: $(EMULATORS_INSTALLED)  ## install the tests' emulators of Google's services into .venv-emulators

$(EMULATORS_INSTALLED): tests/support/emulators/requirements.lock
	@test -n "$(EMULATORS_PYTHON)" || { echo "error: no Python >= 3.11 found, which the emulators of the tests need" \
		"(MDP itself runs on 3.10); install one next to it, or run make EMULATORS_PYTHON=/path/to/python3"; exit 1; }
	@echo "==> Setting up $(EMULATORS) with $$($(EMULATORS_PYTHON) --version) (half a minute)"
	@test -x $(EMULATORS)/bin/python || $(EMULATORS_PYTHON) -m venv $(EMULATORS) || { rm -rf $(EMULATORS); \
		echo "error: $(EMULATORS_PYTHON) can't make a virtual environment; on Debian: apt-get install python3-venv"; \
		exit 1; }
	@PIP_DISABLE_PIP_VERSION_CHECK=1 $(EMULATORS)/bin/python -m pip install --quiet --quiet --require-hashes --no-deps \
		-r tests/support/emulators/requirements.lock
	@touch $@

demo: setup  ## run 60 days of fictional ad accounts and shops through all of MDP
	@$(MDP) demo

dev: setup  ## start the Dagster UI on http://127.0.0.1:3000, with the demo's data, or with yours if there is a .env
	@$(MDP) dev

backfill: setup  ## extract, model and check FROM=2026-01-01 TO=2026-03-31 [SELECT="kind:dbt"] [FRESH=1] in one run
	@$(MDP) backfill "$(FROM)" "$(TO)" --select '$(or $(SELECT),*)' $(if $(FRESH),--fresh)

as-of: setup  ## build the marts as of AT="2026-11-01 06:00" [FROM=... TO=...] in separate schemas [DROP=1]
	@$(MDP) as-of "$(AT)" $(FROM) $(TO) $(if $(DROP),--drop)

test: setup emulators  ## run the tests
	$(RUN) -m pytest -n 3 --dist worksteal

test-quick: setup  ## run the tests that start no process, dbt or emulator (two minutes)
	$(RUN) -m pytest -n 2 --dist worksteal -m 'not slow and not real_bigquery'

test-bigquery: setup emulators  ## run the tests that need the real BigQuery, in your own project (tests/bigquery/test_real.py)
	TEST_DATE=now $(RUN) -m pytest -m real_bigquery -s tests/bigquery/test_real.py

bench: setup  ## measure speed next to bare SDKs and dbt, for half an hour, into bench/results.md [PARTS="daily probe"]
	@$(RUN) -m bench $(PARTS)

chaos: setup  ## inject kills, full disks and faults for five minutes, then compare [SEED=7] [SECONDS=300]
	@$(RUN) -m chaos $(if $(SEED),--seed $(SEED)) --seconds $(or $(SECONDS),300)

check: setup  ## check style, spelling, SQL, types, imports, definitions and dbt
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) $(VENV)/bin/codespell
	$(RUN) -m sqlfluff lint dbt/models
	$(RUN) -m mypy
	$(RUN) $(VENV)/bin/lint-imports
	$(RUN) -W ignore -m dagster definitions validate -w workspace.yaml --log-level warning
	$(MDP) parse-dbt

fix: setup  ## fix the style that a tool can fix
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

query: setup  ## run SQL="..." on the warehouse
	@$(MDP) query "$(SQL)"

rebuild-raw: setup  ## empty mdp_raw and load it again from the lake
	@$(MDP) rebuild-raw

replay-shops: setup  ## fill the shops' PostgreSQL from the lake, if it was lost
	@$(MDP) replay-shops

shop-csv: setup  ## write the shops' raw rows as CSV files into .mdp/shop-csv, for inspection
	@$(MDP) shop-csv

new-source: setup  ## write the skeleton of an ad platform: NAME=tiktok_ads
	@$(MDP) new-source "$(NAME)"

docs-tables: setup  ## write the tables of columns in docs/data_model.md from the declarations
	@$(RUN) -m tests.support.data_model

lock: setup  ## pin the dependencies again (needs uv)
	uv pip compile --quiet --universal --no-strip-extras --python-version 3.10 --generate-hashes --no-emit-index-url \
		--no-header --group dev pyproject.toml -o requirements.lock
	uv pip compile --quiet --universal --no-strip-extras --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-header -c requirements.lock pyproject.toml deploy/requirements.in -o deploy/requirements.lock
	uv pip compile --quiet --universal --no-strip-extras --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-header tests/support/emulators/requirements.in -o tests/support/emulators/requirements.lock

clean:  ## remove the demo's data, the environments and all caches, but not your warehouse or lake
	rm -rf $(VENV) $(EMULATORS) *.egg-info build .mdp/demo .mdp/chaos dbt/target .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
