# On a fresh machine: make compare, or make test.

PYTHON ?= python3
BIN := .venv/bin
LAB := .venv/installed-lab
INSTALLED := .venv/installed-dev
JOBS ?= 2
# A file's tests run in one worker, because they share costly fixtures.
PYTEST := $(BIN)/python -m pytest -n $(JOBS) --dist loadfile
KERAS_TESTS := tests/keras tests/test_examples.py

.PHONY: compare calibrate test test-all lint docs bench bench-gpu released edge-cases faults scale clean

compare: $(LAB)
	$(BIN)/localnorm compare

# False positives on a placebo, and power on a planted harm.
calibrate: $(LAB)
	$(BIN)/python -m benchmarks.calibration

# Keras has one backend per process, so its tests run once for each.
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

# Every CPU baseline, on an otherwise idle machine; writes the tables of docs/speed.md and the README.
bench: $(INSTALLED)
	$(BIN)/python -m benchmarks.cpu
	$(BIN)/python -m benchmarks.cpu.tables
	$(BIN)/python -m benchmarks.jax_door
	$(BIN)/python -m benchmarks.keras_door

# Check and time the Triton kernels on a CUDA GPU; without one it exits with a message.
bench-gpu: $(INSTALLED)
	$(BIN)/python -m benchmarks.gpu

# Survey whichever frameworks are installed.
released: $(INSTALLED)
	$(BIN)/python -m benchmarks.released

# Every API on every edge case, on every backend of Keras.
edge-cases: $(INSTALLED)
	$(BIN)/python tools/edge_case_table.py

# Inject every fault at every trial of a small study; make test runs one of each type.
faults: $(INSTALLED)
	$(BIN)/python tools/fault_table.py

# Overhead of large studies and of each engine, with trials that do nothing.
scale: $(INSTALLED)
	$(BIN)/python -m benchmarks.scale
	$(BIN)/python -m benchmarks.engines

$(LAB): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[lab]'
	touch $@

$(INSTALLED): $(LAB)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv docs/_build
