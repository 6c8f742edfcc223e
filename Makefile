# Two commands: `make demo` and `make test`. Each sets up its own virtual environment on a fresh machine.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN ?= runs/digits
LONG_WITHIN ?= 540
BENCHMARKS := evaluation supernet_cost ranking search_speed search_quality quantization integers latency joint_search faults scaling fuzzing branching many_tasks affinity_search realdata

.PHONY: demo test test-all test-cuda docs lint types layers bench clean

demo: $(VENV)/.installed
	$(BIN)/mtnas run search_spaces/digits.py --run $(RUN)

test: lint types layers $(VENV)/.installed-dev
	$(BIN)/pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder --long-within $(LONG_WITHIN)

# The same, however long it takes: `make test` begins no long test after 9 minutes of tests, and tells which it left out.
test-all:
	$(MAKE) test LONG_WITHIN=inf

# On a machine with a CUDA device, with a torch that has CUDA in place of the CPU build that the line above installs.
test-cuda:
	$(BIN)/pytest -m cuda

# The pages in docs/ as a site, in site/.
docs: $(VENV)/.installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# Each also as: .venv/bin/python -m benchmarks.NAME [--quick] [--json FILE] [--data-dir DIR]
bench: $(VENV)/.installed-bench
	for name in $(BENCHMARKS); do $(BIN)/python -m benchmarks.$$name || exit 1; done

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-dev
	$(BIN)/mypy

layers: $(VENV)/.installed-dev
	$(BIN)/lint-imports

# torch first and pinned: an unpinned one brings gigabytes of CUDA packages. What is never imported needs no bytecode.
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --no-compile --constraint constraints.txt

$(VENV)/.torch: constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "mtnas needs Python 3.11 or newer; name one: make PYTHON=python3.11"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) torch
	touch $@

$(VENV)/.installed: pyproject.toml $(VENV)/.torch
	$(PIP) --editable .
	touch $@

$(VENV)/.installed-dev: pyproject.toml $(VENV)/.torch
	$(PIP) --editable '.[dev]'
	touch $@ $(VENV)/.installed

$(VENV)/.installed-docs: $(VENV)/.installed
	$(PIP) --editable '.[docs]'
	touch $@

$(VENV)/.installed-bench: $(VENV)/.installed
	$(PIP) --editable '.[bench]'
	touch $@

clean:
	rm -rf $(VENV) build dist site *.egg-info
