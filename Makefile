# Two commands do everything on a fresh machine: make compare and make test.

PYTHON ?= python3
BIN := .venv/bin
LAB := .venv/installed-lab
INSTALLED := .venv/installed-dev
JOBS ?= 2
# A file's tests stay together: they share what is costly to make.
PYTEST := $(BIN)/python -m pytest -n $(JOBS) --dist loadfile
KERAS_TESTS := tests/keras tests/test_examples.py

.PHONY: compare calibrate test test-all lint docs bench bench-gpu released hazards faults scale clean

compare: $(LAB)
	$(BIN)/localnorm compare

# How often the lab calls a placebo different, and how often it finds a planted harm.
calibrate: $(LAB)
	$(BIN)/python -m benchmarks.calibration

# Keras takes its backend once a process, so its tests run once for each.
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

# Every rival on an otherwise idle machine; writes what docs/speed.md and the README say of the CPU.
bench: $(INSTALLED)
	$(BIN)/python -m benchmarks.cpu
	$(BIN)/python -m benchmarks.cpu.tables
	$(BIN)/python -m benchmarks.jax_door
	$(BIN)/python -m benchmarks.keras_door

# The same on a CUDA GPU; without one it says so and stops.
bench-gpu: $(INSTALLED)
	$(BIN)/python -m benchmarks.gpu

# Measures the frameworks that are installed, however they came there.
released: $(INSTALLED)
	$(BIN)/python -m benchmarks.released

# Every door by every hazard, on every backend of Keras.
hazards: $(INSTALLED)
	$(BIN)/python tools/edge_case_table.py

# Every fault at every trial of a small study; make test runs one of each sort.
faults: $(INSTALLED)
	$(BIN)/python tools/fault_table.py

# What a study costs as it grows, with trials that do nothing, and what each engine costs and gains.
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
