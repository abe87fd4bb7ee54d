# `make run` and `make test` need nothing but Python 3.11 or newer, make and a package index.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Two processes, each with whole files: what a file has built, its other tests use. In their order: the longest are not last.
PYTEST_FLAGS ?= -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: run test test-slow test-jax lint format clean

run: $(VENV)/.installed
	mkdir -p results
	$(BIN)/kerasmlsp sentiment predict "This film was excellent!" "What a waste of two hours."
	$(BIN)/kerasmlsp sentiment predict --file docs/reviews.csv --output results/reviews.predicted.csv
	rm -rf runs/music/brief results/saved_models
	$(BIN)/kerasmlsp music train --run brief --units 64 --num-layers 2 --epochs 2
	$(BIN)/kerasmlsp music evaluate --run brief --samples 2 --bars 2
	$(BIN)/kerasmlsp music export --run brief --models results/saved_models
	$(BIN)/kerasmlsp music generate --bars 4 --models results/saved_models --output results/chorale

test: $(VENV)/.tested
	$(BIN)/python -m pytest -m "not slow" $(PYTEST_FLAGS)

test-slow: $(VENV)/.tested
	$(BIN)/python -m pytest $(PYTEST_FLAGS)

# The table of cases and the layers with JAX doing the computing.
test-jax: $(VENV)/.tested
	KERAS_BACKEND=jax JAX_PLATFORMS=cpu $(BIN)/python -m pytest -m "not slow" tests/catalogue tests/test_layers.py $(PYTEST_FLAGS)

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
