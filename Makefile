# On a fresh machine, make compare and make test install everything they need.

PYTHON ?= python3
BIN := .venv/bin
LAB := .venv/installed-lab
INSTALLED := .venv/installed-dev
KERNEL := .venv/built-kernel
WHEEL_TOOLS := build/wheel-tools
JOBS ?= 2
# Tests of one file share expensive fixtures, so they run in one process.
PYTEST := $(BIN)/python -m pytest -n $(JOBS) --dist loadfile
KERAS_TESTS := tests/keras tests/test_examples.py

.PHONY: compare calibrate test test-all lint docs bench bench-gpu released edge-cases faults scale wheel sanitize test-neon clean

# Everything that computes uses the kernel as the C++ files are now.
compare calibrate test test-all docs bench released edge-cases faults scale: $(KERNEL)

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

# Build the wheel and the sdist in dist/; check platform, glibc, size, requirements, and the NumPy API beside NumPy alone.
wheel: $(WHEEL_TOOLS)
	$(WHEEL_TOOLS)/bin/python tools/build_wheel.py

# The kernel's C++ driver under the address, undefined-behavior and thread sanitizers.
sanitize: $(INSTALLED)
	$(BIN)/python -m pytest -m slow -s tests/native/test_driver.py -k 'address or thread'

# The kernel for ARM, cross-compiled and emulated: apt-get install g++-aarch64-linux-gnu qemu-user
test-neon: $(INSTALLED)
	$(BIN)/python -m pytest -m slow -s tests/native/test_driver.py -k neon

# The build tools stay in .venv, so that the kernel can be rebuilt there.
$(LAB): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt scikit-build-core cmake ninja
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-build-isolation --editable '.[lab]'
	touch $@

$(INSTALLED): $(LAB)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-build-isolation --editable '.[dev]'
	touch $@

# Without a C++ compiler there is no build.ninja: the package was installed as pure Python.
$(KERNEL): $(LAB) $(shell find native -type f)
	if [ -e build/editable/build.ninja ]; then $(BIN)/cmake --build build/editable; fi
	touch $@

$(WHEEL_TOOLS): constraints.txt
	$(PYTHON) -m venv $@
	$@/bin/python -m pip install --quiet --constraint constraints.txt auditwheel build
	touch $@

clean:
	rm -rf .venv build dist docs/_build src/localnorm/kernels/cpu/localnorm_cpu.*
