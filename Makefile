# Every target does its own set-up, from a bare checkout on: see .ci/venv (Python packages) and .ci/peers (real SIP and
# DNS servers that the interop tests talk to).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help demo test compiled check docs bench matrix clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

demo: ## Register accounts on the embedded registrar and show what happens
	@.ci/venv $(VENV) cli,speed $(PYTHON)
	@$(BIN)/aiosipreg demo

test: ## Run the whole suite, with coverage; as root, install the real peers first
	@.ci/venv $(VENV) dev $(PYTHON)
	@if .ci/peers; then export AIOSIPREG_REQUIRE_PEERS=1; fi; \
	 echo "tests: run" && $(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal --cov --cov-report=
	@echo "coverage: whole package" && $(BIN)/coverage report
	@echo "coverage: wire and engine must be complete" && \
	 $(BIN)/coverage report --include='aiosipreg/wire/*,aiosipreg/engine/*' --fail-under=100

compiled: ## Compile the inner floors, and run the whole suite on a copy that has them
	@.ci/venv $(VENV) dev $(PYTHON)
	@.ci/compiled $(VENV)
	@if .ci/peers; then export AIOSIPREG_REQUIRE_PEERS=1; fi; cd .compiled/tree && echo "compiled: run" && \
	 AIOSIPREG_COMPILED=1 PYTHONPATH=$$PWD ../../$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal

check: ## Lint, format, types, documentation
	@.ci/venv $(VENV) dev $(PYTHON)
	@echo "check: ruff" && $(BIN)/ruff check --quiet . && $(BIN)/ruff format --check --quiet .
	@echo "check: mypy" && $(BIN)/mypy --no-error-summary
	@echo "check: pyright" && $(BIN)/pyright --warnings >$(VENV)/pyright.log || { cat $(VENV)/pyright.log; exit 1; }
	@$(MAKE) --no-print-directory docs

docs: ## Build the documentation into docs/_build/html, warnings are errors
	@.ci/venv $(VENV) dev $(PYTHON)
	@echo "docs: build" && $(BIN)/sphinx-build -q -E -W --keep-going -b html docs docs/_build/html

bench: ## Measure, and print the figures beside their limits; BENCH=--full takes an hour
	@.ci/venv $(VENV) dev $(PYTHON)
	@.ci/compiled $(VENV) || echo "bench: without a compiled build" >&2
	@$(BIN)/python -m benchmarks $(BENCH)

matrix: ## Run the suite on every Python from 3.11 on that this machine has, and on uvloop
	@.ci/matrix $(WORKERS)

clean: ## Remove what the other targets made
	@rm -rf $(VENV) .matrix .compiled docs/_build .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis
