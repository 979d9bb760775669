# The two commands to know: `make demo` runs the main job, `make test` runs the checks and all tests but the long ones.
# CI runs `make test-all`.
# Needs python3 (3.10 or newer, with venv) and make; everything else is installed into .venv, which need not be activated.
PYTHON ?= python3
VENV   := .venv
PY     := $(VENV)/bin/python
# Test processes. Each computes on one thread, so that two of them fill two cores and no more.
WORKERS ?= 2
CODE   := ferdis tests tools experiments examples benchmarks docs/conf.py docs/api_reference.py docs/equation_index.py

# A stamp a set of extras: pip runs again only after setup.cfg or pyproject.toml has changed.
INSTALLED      := $(VENV)/.installed
INSTALLED_TEST := $(VENV)/.installed-test
INSTALLED_DOCS := $(VENV)/.installed-docs
INSTALLED_WEB  := $(VENV)/.installed-web

.DEFAULT_GOAL := help
.PHONY: help install demo test test-all web-test check format docs docs-versions clean

help:
	@echo "make demo    install, then IF-GAN against its ResNet baseline on synthetic people, into runs/demo/"
	@echo "make test    install the test extra, then format, lint and type checks and all tests but the long ones"
	@echo "make test-all the same with the long ones (trainings, clusters, recipes): what CI runs"
	@echo "make web-test the page of ferdis web in Chromium (apt-get install chromium, or playwright install chromium)"
	@echo "make check   format, lint and type checks alone"
	@echo "make format  let ruff rewrite what make check would complain about"
	@echo "make docs    build the documentation and its gallery into docs/_build/html"
	@echo "make docs-versions  the same for every tag and the working tree, into docs/_build/versions"

install: $(INSTALLED)

demo: $(INSTALLED)
	$(PY) -m ferdis demo

test: check
	OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(PY) -m pytest -n $(WORKERS) --dist worksteal -m "not slow"

test-all: check
	OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(PY) -m pytest -n $(WORKERS) --dist worksteal

web-test: $(INSTALLED_WEB)
	$(PY) -c 'from ferdis.web.runtime import runtime; runtime()'
	OMP_NUM_THREADS=1 $(PY) -m pytest -s tests/web

check: $(INSTALLED_TEST)
	$(PY) -m ruff format --check $(CODE)
	$(PY) -m ruff check $(CODE)
	$(PY) -m mypy

format: $(INSTALLED_TEST)
	$(PY) -m ruff check --fix $(CODE)
	$(PY) -m ruff format $(CODE)

docs: $(INSTALLED_DOCS)
	$(PY) -m sphinx -W --keep-going -b html docs docs/_build/html

docs-versions: $(INSTALLED_DOCS)
	$(PY) -m tools.docs_versions

clean:
	rm -rf docs/_build docs/gallery docs/_generated docs/api build *.egg-info

$(INSTALLED): setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 10) else "ferdis needs Python 3.10 or newer; this is " + sys.version.split()[0] + ". Name another: make PYTHON=python3.12 ...")'
	@$(PY) -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@echo "installing ferdis into $(VENV) (torch with its libraries is about 6 GB; a few minutes the first time)"
	$(PY) -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(INSTALLED_TEST): $(INSTALLED)
	$(PY) -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@

$(INSTALLED_WEB): $(INSTALLED_TEST)
	$(PY) -m pip install --quiet --disable-pip-version-check --editable '.[test,browser]'
	@touch $@

$(INSTALLED_DOCS): $(INSTALLED)
	$(PY) -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	@touch $@
