# `make run` and `make test` need nothing but Python 3.11 or newer, make and a package index.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PYTEST_FLAGS ?=

.PHONY: run test test-slow lint format clean

run: $(VENV)/.installed
	mkdir -p results
	$(BIN)/kerasmlsp sentiment predict "This film was excellent!" "What a waste of two hours."
	$(BIN)/kerasmlsp sentiment predict --file docs/reviews.csv --output results/reviews.predicted.csv

test: $(VENV)/.tested
	$(BIN)/python -m pytest -m "not slow" $(PYTEST_FLAGS)

test-slow: $(VENV)/.tested
	$(BIN)/python -m pytest $(PYTEST_FLAGS)

lint: $(VENV)/.tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(VENV)/.tested
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build dist results *.egg-info

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed: make PYTHON=python3.11 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.installed: $(VENV)/.created setup.cfg pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	touch $@

$(VENV)/.tested: $(VENV)/.created setup.cfg pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	touch $(VENV)/.installed $@
