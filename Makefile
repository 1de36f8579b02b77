# Everything that a newcomer, a developer and CI run. `make help` lists it.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/installed
PACKAGES := ingest alerts storage simulators console
.DEFAULT_GOAL := help

.PHONY: help
help:  ## list what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 …"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: install
install: $(READY)  ## make the environment in .venv from the locked requirements

.PHONY: demo
demo: $(READY)  ## run the server and three simulated plants; Ctrl-C stops (data in ./demo-data)
	@exec $(BIN)/python deploy/demo.py

.PHONY: test
test: $(READY)  ## run every test that can run on this machine
	$(BIN)/python -m pytest -n 3 --dist worksteal

.PHONY: check
check: $(READY)  ## lint, types, import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: bench
bench: $(READY)  ## measure the whole path and the core (QUICK=1: a short run)
	$(BIN)/python -m tests.bench $(if $(QUICK),--quick)

.PHONY: lock
lock: $(READY)  ## write requirements.lock anew from pyproject.toml
	$(BIN)/python -m pip install --quiet pip-tools
	$(BIN)/pip-compile --quiet --generate-hashes --no-emit-index-url --no-emit-trusted-host \
	  --no-emit-options --strip-extras --allow-unsafe --no-header --build-deps-for editable \
	  --extra dev --upgrade -o requirements.lock pyproject.toml
