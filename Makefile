# The commands of this project. `make help` lists them.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
ARGS   ?=

# Tests and demo start the bot many times; compiling it anew each time would take minutes.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo env check test testbed test-live bench lock format clean

help:  ## list the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

demo: env  ## see it work: the whole story in this terminal; SERVE=1 stays up, PORT=8091 chooses the port
	@$(BIN)/gitops-bot demo $(if $(SERVE),--serve) $(if $(PORT),--port $(PORT))

env: $(VENV)/.installed  ## the virtual environment, from the lock file with hashes

$(VENV)/.installed: requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; set PYTHON=python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

check: env  ## format, lint, types, layers
	$(BIN)/ruff format --check bot tests
	$(BIN)/ruff check bot tests
	$(BIN)/mypy
	$(BIN)/lint-imports

test: env  ## all tests that need nothing but Python and git
	$(BIN)/python -m pytest -n 2 --dist worksteal $(ARGS)

testbed: env  ## build the real parts into a cache outside the checkout
	$(BIN)/python -m tests.testbed.build

test-live: testbed  ## tests on a real kube-apiserver, in a real browser, and every kill of the crash matrix
	$(BIN)/python -m pytest -m live --ignore tests/faults $(ARGS)
	$(BIN)/python -m pytest -m live -n 2 tests/faults $(ARGS)

bench: testbed  ## measure against named peers; writes build/bench.json
	$(BIN)/python -m tests.bench $(ARGS)

lock: env  ## resolve the dependencies anew
	$(BIN)/uv pip compile pyproject.toml --extra kubectl --extra demo --group dev --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-header --quiet -o requirements-dev.lock
	$(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-header --quiet -o requirements.lock

format: env  ## format the code
	$(BIN)/ruff format bot tests
	$(BIN)/ruff check --fix bot tests

clean:  ## remove what was made here
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .hypothesis
