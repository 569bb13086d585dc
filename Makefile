# MDP. `make demo` and `make test` need git, make and Python >= 3.10, and nothing else; everything goes into .venv and .mdp.

PYTHON ?= $(shell for p in python3.12 python3.11 python3.13 python3.10 python3; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null \
	&& { echo $$p; break; }; done)
VENV := .venv
RUN := $(VENV)/bin/python
MDP := $(VENV)/bin/mdp
INSTALLED := $(VENV)/.installed
PACKAGE := $(VENV)/.package

# The stand-ins for Google's services in the tests: an environment of their own, and Python >= 3.11.
EMULATORS_PYTHON ?= $(shell for p in $(PYTHON) python3.12 python3.11 python3.13 python3.14 python3; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { echo $$p; break; }; done)
EMULATORS := .venv-emulators
EMULATORS_INSTALLED := $(EMULATORS)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo dev backfill as-of test test-bigquery bench chaos check fix query rebuild-raw docs-tables lock clean emulators

help:  ## what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | sort | awk -F'\t' '{printf "  make %-13s %s\n", $$1, $$2}'

# The package and its command `mdp`, from this checkout. Repeated when the checkout has moved or pyproject.toml has
# changed. It downloads nothing: the lock file has what builds it.
setup: $(INSTALLED)  ## install what is missing into .venv
	@test "$$(cat $(PACKAGE) 2>/dev/null)" = "$(CURDIR)" && test $(PACKAGE) -nt pyproject.toml && test -x $(MDP) || { \
		PIP_DISABLE_PIP_VERSION_CHECK=1 $(RUN) -m pip install --quiet --quiet --no-deps --no-build-isolation \
			--no-index --editable . && echo "$(CURDIR)" > $(PACKAGE); }

$(INSTALLED): requirements.lock
	@test -n "$(PYTHON)" || { echo "error: no Python >= 3.10 found; install one, or say make PYTHON=/path/to/python3"; exit 1; }
	@echo "==> Setting up $(VENV) with $$($(PYTHON) --version) (a minute or two)"
	@test -x $(RUN) || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "error: $(PYTHON) can't make a virtual environment; on Debian: apt-get install python3-venv"; exit 1; }
	@PIP_DISABLE_PIP_VERSION_CHECK=1 $(RUN) -m pip install --quiet --quiet --require-hashes --no-deps -r requirements.lock
	@touch $@

emulators: $(EMULATORS_INSTALLED)  ## install what stands in for Google in the tests into .venv-emulators

$(EMULATORS_INSTALLED): tests/support/emulators/requirements.lock
	@test -n "$(EMULATORS_PYTHON)" || { echo "error: no Python >= 3.11 found, which the emulators of the tests need" \
		"(MDP itself runs on 3.10); install one beside it, or say make EMULATORS_PYTHON=/path/to/python3"; exit 1; }
	@echo "==> Setting up $(EMULATORS) with $$($(EMULATORS_PYTHON) --version) (half a minute)"
	@test -x $(EMULATORS)/bin/python || $(EMULATORS_PYTHON) -m venv $(EMULATORS) || { rm -rf $(EMULATORS); \
		echo "error: $(EMULATORS_PYTHON) can't make a virtual environment; on Debian: apt-get install python3-venv"; \
		exit 1; }
	@PIP_DISABLE_PIP_VERSION_CHECK=1 $(EMULATORS)/bin/python -m pip install --quiet --quiet --require-hashes --no-deps \
		-r tests/support/emulators/requirements.lock
	@touch $@

demo: setup  ## the last 60 days of the sandbox's accounts: extract, model, check
	@$(MDP) demo

dev: setup  ## the Dagster UI on http://127.0.0.1:3000, with the demo's data (or yours: .env)
	@$(MDP) dev

backfill: setup  ## pull and model FROM=2024-01-01 TO=2024-12-31 [SELECT="kind:dbt"] [FRESH=1] in one run
	@$(MDP) backfill "$(FROM)" "$(TO)" --select '$(or $(SELECT),*)' $(if $(FRESH),--fresh)

as-of: setup  ## the marts as they stood AT="2026-11-01 06:00" [FROM=... TO=...], beside the current ones [DROP=1]
	@$(MDP) as-of "$(AT)" $(FROM) $(TO) $(if $(DROP),--drop)

test: setup emulators  ## the tests
	$(RUN) -m pytest -n 3 --dist worksteal

test-bigquery: setup emulators  ## what only the real service shows, in a project of yours (tests/bigquery/test_real.py)
	$(RUN) -m pytest -m real_bigquery -s tests/bigquery/test_real.py

bench: setup  ## how fast, next to bare SDKs and dbt: ten minutes, bench/results.md [PARTS="daily probe"]
	@$(RUN) -m bench $(PARTS)

chaos: setup  ## kills, full disks, faults, restatements for five minutes, then the truth [SEED=7] [SECONDS=300]
	@$(RUN) -m chaos $(if $(SEED),--seed $(SEED)) --seconds $(or $(SECONDS),300)

check: setup  ## style, spelling, types, import contracts, definitions, dbt
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) $(VENV)/bin/codespell
	$(RUN) -m sqlfluff lint dbt/models
	$(RUN) -m mypy
	$(RUN) $(VENV)/bin/lint-imports
	$(RUN) -W ignore -m dagster definitions validate -w workspace.yaml --log-level warning
	$(MDP) parse-dbt

fix: setup  ## mend style where a tool can
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

query: setup  ## run SQL="..." on the warehouse
	@$(MDP) query "$(SQL)"

rebuild-raw: setup  ## empty mdp_raw and fill it from the lake alone
	@$(MDP) rebuild-raw

docs-tables: setup  ## write the tables of columns in docs/data_model.md from the declarations
	@$(RUN) -m tests.support.data_model

lock: setup  ## pin the dependencies anew (needs uv)
	uv pip compile --quiet --universal --no-strip-extras --python-version 3.10 --generate-hashes --no-emit-index-url \
		--no-header --group dev pyproject.toml -o requirements.lock
	uv pip compile --quiet --universal --no-strip-extras --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-header -c requirements.lock pyproject.toml deploy/requirements.in -o deploy/requirements.lock
	uv pip compile --quiet --universal --no-strip-extras --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-header tests/support/emulators/requirements.in -o tests/support/emulators/requirements.lock

clean:  ## remove the demo's data, the environments and all caches (not your warehouse or lake)
	rm -rf $(VENV) $(EMULATORS) .mdp/demo .mdp/chaos dbt/target .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
