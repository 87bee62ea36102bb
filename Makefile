# make serve   run a sample (SITE=samples/flask for another, PORT=8000), in an environment of its own
# make test    run the tests        make check      lint, format, types and layers
# make bench   measure              make coverage   the tests with coverage        make soak   half an hour of load
# make dist    the sdist and the wheel, in dist/        make docs   the documentation as a site, in build/site/
PYTHON ?= python3
VENV   ?= .venv
SITE   ?= samples/hello
PORT   ?= 8000
JOBS   ?= auto
BIN     = $(VENV)/bin
# Tests do not depend on each other, on fixed ports or on the time: JOBS of them run at once. One that hangs fails
# after a time that the slowest machine does not need (the longest takes half a minute on an idle one).
PYTEST  = $(BIN)/pytest -n $(JOBS) --maxprocesses 8 --timeout 600

SECONDS ?= 1800

# A sample has an environment of its own, as on a server: it sees its own packages and no others.
SAMPLE_ENV = $(patsubst %/requirements.txt,%/env/.installed,$(wildcard $(patsubst %,%/requirements.txt,$(filter samples/%,$(SITE:/=)))))

.PHONY: serve test test-without-standby test-as-windows check coverage bench soak dist docs clean

serve: $(VENV)/.installed $(SAMPLE_ENV)
	$(BIN)/fcgiemu serve $(SITE) --port $(PORT)

test: $(VENV)/.test-installed
	$(PYTEST)

# the live tests once more, where no interpreter stands by
test-without-standby: $(VENV)/.test-installed
	$(PYTEST) --no-standby tests/live

# what works on Windows, in an interpreter that has lost what Windows lacks
test-as-windows: $(VENV)/.test-installed
	$(BIN)/python -m tests.without_posix

check: $(VENV)/.test-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --platform win32
	$(BIN)/lint-imports --no-logo
	$(BIN)/codespell

coverage: $(VENV)/.test-installed
	$(BIN)/coverage erase
	$(BIN)/coverage run -m $(subst $(BIN)/,,$(PYTEST))
	$(BIN)/coverage combine -q
	$(BIN)/coverage html -q
	$(BIN)/coverage report

bench: $(VENV)/.test-installed
	$(BIN)/python -m tests.benchmarks

dist: $(VENV)/.test-installed
	rm -rf dist share
	$(BIN)/python -m fcgiemu.cli.manual share
	$(BIN)/python -m build
	$(BIN)/python -m twine check --strict dist/*

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "fcgiemu needs Python 3.11 or newer: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python setup.cfg setup.py
	$(BIN)/python -m pip install -q -e .
	touch $@

$(VENV)/.test-installed: $(VENV)/.installed
	$(BIN)/python -m pip install -q -e '.[test,wfastcgi]'
	touch $@

samples/%/env/.installed: samples/%/requirements.txt | $(VENV)/bin/python
	$(BIN)/python -m venv samples/$*/env
	samples/$*/env/bin/python -m pip install -q -r $<
	touch $@

# A warning is an error: a link that leads nowhere, too.
docs: $(VENV)/.docs-installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo "build/site/index.html; its search wants a server: python3 -m http.server --directory build/site"

$(VENV)/.docs-installed: $(VENV)/.installed
	$(BIN)/python -m pip install -q -e '.[docs]'
	touch $@

clean:
	rm -rf $(VENV) samples/*/env build dist *.egg-info

soak: $(VENV)/.test-installed
	FCGIEMU_SOAK_SECONDS=$(SECONDS) $(BIN)/pytest -s tests/live/test_soak.py
