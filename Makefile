# The only list of commands; continuous integration and hooks call it.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
SOURCES := $(wildcard native/*.cpp native/*.hpp native/stats/*) CMakeLists.txt pyproject.toml requirements/lock.txt

.PHONY: help setup demo check test validity guard-endpoint bench docs wheel clean

help:           ## list the commands
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 16

setup: $(STAMP) ## make .venv with pinned dependencies and the compiled kernels

$(STAMP): $(SOURCES)
	@$(PYTHON) tools/preflight.py
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the pinned dependencies into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/lock.txt
	@echo "Compiling the kernels ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $(STAMP)

demo: setup     ## learn a certified card from real medical data, show and audit it
	@$(BIN)/python examples/demo.py

check: setup    ## formatting, lint, types, import directions
	@$(BIN)/ruff format --check src tests benchmarks examples tools
	@$(BIN)/ruff check src tests benchmarks examples tools
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

test: check     ## all checks and tests
	@$(BIN)/python -m pytest -n 2 --dist loadfile

validity: setup ## long simulations of the statistical guarantees
	@$(BIN)/python -m pytest -n 2 -m validity tests/validity

guard-endpoint: setup ## a tiny guard model behind a real server (builds one: half an hour)
	@sh tools/tiny_guard/run.sh $(BIN)/python

bench: setup    ## speed, memory and quality beside the peers
	@$(BIN)/python -m benchmarks

docs: setup     ## regenerate the reference pages
	@$(BIN)/python tools/reference.py

wheel: setup    ## a wheel that needs no compiler, in dist/
	@$(BIN)/python tools/wheel.py

clean:
	rm -rf build dist wheelhouse demo $(VENV)
