# `make run` and `make test` need nothing but Python 3.11 or newer, make and a package index.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Two processes, each with whole files: what a file has built, its other tests use. In their order: the longest are not last.
# A process that dies ends the tests: after another has taken its place they may wait for ever.
PYTEST_FLAGS ?= -n 2 --max-worker-restart 0 --dist loadfile --no-loadscope-reorder
JAX_PYTEST_FLAGS ?= tests/catalogue tests/layers/test_layers.py tests/layers/test_every_layer.py -m "not slow" -n 2 --max-worker-restart 0 --dist loadgroup

.PHONY: run test test-slow test-jax test-jax-slow lint format docs clean

run: $(VENV)/.installed
	mkdir -p results
	$(BIN)/kerasmlsp sentiment predict "This film was excellent!" "What a waste of two hours."
	$(BIN)/kerasmlsp sentiment predict --file docs/reviews.csv --output results/reviews.predicted.csv
	rm -rf runs/music/brief results/saved_models
	$(BIN)/kerasmlsp music train --run brief --units 64 --num-layers 2 --epochs 2
	$(BIN)/kerasmlsp music evaluate --run brief --samples 2 --bars 2
	$(BIN)/kerasmlsp music export --run brief --models results/saved_models
	$(BIN)/kerasmlsp music generate --bars 4 --models results/saved_models --output results/chorale
	@echo "Serve the models with '$(BIN)/kerasmlsp serve --demo', and open http://127.0.0.1:8501/demo/"

test: $(VENV)/.tested
	$(BIN)/python -m pytest -m "not slow" $(PYTEST_FLAGS)

# In two parts: what has trained every application holds so much that it had better end there.
test-slow: $(VENV)/.tested
	$(BIN)/python -m pytest tests/apps $(PYTEST_FLAGS)
	$(BIN)/python -m pytest --ignore=tests/apps $(PYTEST_FLAGS)

# The table of cases and the layers with JAX doing the computing; it answers for the files that TensorFlow wrote.
test-jax test-jax-slow: export KERAS_BACKEND = jax
test-jax test-jax-slow: export JAX_PLATFORMS = cpu
# Each graph runs a few times: to make it fast takes longer than it then saves.
test-jax test-jax-slow: export XLA_FLAGS = --xla_backend_optimization_level=1
test-jax: $(VENV)/.tested
	$(BIN)/python -m pytest $(JAX_PYTEST_FLAGS) -k "test_layers or every_layer or names or both_backends or future or refused"

# With training, a compilation for each model.
test-jax-slow: $(VENV)/.tested
	$(BIN)/python -m pytest $(JAX_PYTEST_FLAGS) -k "not fresh_process and not both_backends"

lint: $(VENV)/.tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.tested
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The site, in build/docs/html. It needs no network; cells and figures are computed again only when their code has changed.
docs: $(VENV)/.documented
	$(BIN)/python -m sphinx -W --keep-going -d build/docs/doctrees docs build/docs/html

clean:
	rm -rf $(VENV) build dist results docs/gallery *.egg-info

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed: make PYTHON=python3.11 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.installed: $(VENV)/.created setup.cfg pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[music]'
	touch $@

$(VENV)/.tested: $(VENV)/.created setup.cfg pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	touch $(VENV)/.installed $@

$(VENV)/.documented: $(VENV)/.created setup.cfg pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[docs]'
	touch $@
