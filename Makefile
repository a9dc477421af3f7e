# On a fresh machine, make compare and make test install everything they need.

PYTHON ?= python3
BIN := .venv/bin
LAB := .venv/installed-lab
INSTALLED := .venv/installed-dev
JOBS ?= 2
# Tests of one file share expensive fixtures, so they run in one process.
PYTEST := $(BIN)/python -m pytest -n $(JOBS) --dist loadfile
KERAS_TESTS := tests/keras tests/test_examples.py

.PHONY: compare calibrate test test-all lint docs bench bench-gpu released edge-cases faults scale clean

compare: $(LAB)
	$(BIN)/localnorm compare

# False-positive rate of the lab on a placebo, and its power on a planted harm.
calibrate: $(LAB)
	$(BIN)/python -m benchmarks.lab.calibration

# Keras sets its backend once per process, so its tests run once per backend.
test: $(INSTALLED)
	KERAS_BACKEND=tensorflow $(PYTEST)
	KERAS_BACKEND=jax $(PYTEST) $(KERAS_TESTS)
	KERAS_BACKEND=torch $(PYTEST) $(KERAS_TESTS)

test-all: $(INSTALLED)
	KERAS_BACKEND=tensorflow $(PYTEST) -m "slow or not slow"
	KERAS_BACKEND=jax $(PYTEST) -m "slow or not slow" $(KERAS_TESTS)
	KERAS_BACKEND=torch $(PYTEST) -m "slow or not slow" $(KERAS_TESTS)

lint: $(INSTALLED)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

docs: $(INSTALLED)
	$(BIN)/sphinx-build -W --keep-going -b html docs docs/_build/html

# Times every baseline on an otherwise idle machine; writes the CPU tables of docs/speed.md and the README.
bench: $(INSTALLED)
	$(BIN)/python -m benchmarks.speed.cpu
	$(BIN)/python -m benchmarks.speed.cpu.tables
	$(BIN)/python -m benchmarks.speed.jax_api
	$(BIN)/python -m benchmarks.speed.keras_api

# The same on a CUDA GPU; stops with a message if there is none.
bench-gpu: $(INSTALLED)
	$(BIN)/python -m benchmarks.speed.gpu

# Surveys the installed frameworks; writes docs/released.md.
released: $(INSTALLED)
	$(BIN)/python -m benchmarks.released

# Every API on every edge case, on every backend of Keras; writes docs/edge-cases.md.
edge-cases: $(INSTALLED)
	PYTHONPATH=tests/support $(BIN)/python tools/edge_case_table.py

# Every fault at every trial of a small study; make test runs one of each kind.
faults: $(INSTALLED)
	PYTHONPATH=tests/support $(BIN)/python tools/fault_table.py

# Scaling of a study with empty trials, and overhead and speedup of each engine.
scale: $(INSTALLED)
	$(BIN)/python -m benchmarks.lab.scale
	$(BIN)/python -m benchmarks.lab.engine_costs

$(LAB): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[lab]'
	touch $@

$(INSTALLED): $(LAB)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv docs/_build
