# Each target says what it does: `make help`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO ?= reticent-demo
.DEFAULT_GOAL := help
.PHONY: help demo test check unit soak bench docs lock clean

help: ## show this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

$(VENV)/ready: requirements/dev.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/runtime: requirements/runtime.txt pyproject.toml
	test -e $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/runtime.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(VENV)/runtime ## set everything up and do the main job on a sample library
	$(BIN)/reticent demo $(DEMO)

test: ## set everything up, check style, types and floors, and pass all tests
	tools/system_packages.sh
	$(MAKE) --no-print-directory check unit

check: $(VENV)/ready ## style, types, floors of the house
	$(BIN)/ruff check src tests bench docs
	$(BIN)/ruff format --check src tests bench docs
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: $(VENV)/ready ## the tests
	$(BIN)/python -m pytest -q -n 2 --dist worksteal

soak: $(VENV)/ready ## hundreds of kills, millions of rows; takes an hour
	tools/system_packages.sh
	$(BIN)/python -m pytest -q -n 2 -m soak -o faulthandler_timeout=3600

bench: $(VENV)/ready ## every benchmark, ours and the named peer in one run
	tools/system_packages.sh
	for file in bench/*.py; do case $$file in */koha_rig.py|*/common.py) ;; *) PYTHONPATH=src:. $(BIN)/python $$file || exit 1;; esac; done

docs: $(VENV)/ready ## write the generated pages of docs/ anew
	$(BIN)/python docs/generate.py

lock: $(VENV)/ready ## pin every dependency anew, with hashes
	cd requirements && for part in runtime dev; do CUSTOM_COMPILE_COMMAND="make lock" ../$(BIN)/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --upgrade --output-file $$part.txt $$part.in; done

clean: ## remove what make made
	rm -rf $(VENV) $(DEMO) build dist src/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
