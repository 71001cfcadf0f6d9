# Common tasks. `make setup` creates .venv; all others run in it.
PYTHON ?= python3.11
# ONNX Runtime for the CPU or a GPU: `make setup ORT=gpu`; auto asks nvidia-smi.
ORT ?= auto
# Processes that share the tests, each with one thread; `make test JOBS=0` runs them in pytest itself.
JOBS ?= 2

BIN := .venv/bin

.PHONY: help setup doctor demo demo-service test coverage lint format docs clean
.DEFAULT_GOAL := help

help:
	@echo 'make setup   create .venv: the pinned stack, this package, two model files'
	@echo '             (PYTHON=/path/to/python3.12, ORT=cpu or gpu)'
	@echo 'make doctor  show what is installed and whether it works'
	@echo 'make demo    train on photos with and without backgrounds, ten minutes'
	@echo 'make demo-service  remove, check and publish 40 photos as a shop would, half a minute'
	@echo '             (ARGS=--open keeps its pages up)'
	@echo 'make test    run the tests in two processes (ARGS="-m ..." goes to pytest, JOBS=4: in four)'
	@echo 'make coverage  run the tests and show how much of the package they cover'
	@echo 'make lint    check style, types and spelling'
	@echo 'make format  fix style automatically'
	@echo 'make docs    build the documentation into docs/_build/html'
	@echo 'make clean   delete caches and builds, but not .venv, data or runs'

setup:
	@command -v '$(PYTHON)' >/dev/null || \
	    { echo 'Python 3.11 or 3.12 is needed, but "$(PYTHON)" was not found: make setup PYTHON=/path/to/python3.12'; exit 1; }
	@'$(PYTHON)' tools/bootstrap.py --ort '$(ORT)'

$(BIN)/python:
	@echo 'There is no .venv yet: run `make setup` first.'; exit 1

doctor: | $(BIN)/python
	@$(BIN)/python tools/doctor.py

demo: | $(BIN)/python
	$(BIN)/python tools/demo.py $(ARGS)

demo-service: | $(BIN)/python
	$(BIN)/python tools/demo_service.py $(ARGS)

test: | $(BIN)/python
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

coverage: override ARGS += --cov --cov-report=term --cov-report=xml --cov-report=html
coverage: test

lint: | $(BIN)/python
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/codespell

format: | $(BIN)/python
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: | $(BIN)/python
	$(BIN)/python -m pip install --quiet --no-build-isolation -c constraints.txt -e '.[docs]'
	$(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html
	@echo 'Open docs/_build/html/index.html'

clean:
	rm -rf build dist docs/_build htmlcov coverage.xml .coverage .mypy_cache .pytest_cache .ruff_cache
	find bgremoval_mm tools tests configs -name __pycache__ -prune -exec rm -rf {} +
