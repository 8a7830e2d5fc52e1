# Everything here needs Python 3.11 or newer and make, and nothing else: the first verb that needs it makes .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: install demo serve test lint format docs endurance bench bench-quick lock clean

install: $(STAMP) ## make .venv with the locked dependencies and this project

$(STAMP): requirements-dev.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version) if sys.version_info < (3, 11) else 0'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

demo: $(STAMP) ## start a server, put, list, get and convert real data, drop a plugin into it, and clean up
	$(BIN)/flight-server demo

serve: $(STAMP) ## serve on 127.0.0.1:8815 with ./data and ./plugins
	$(BIN)/flight-server serve --config configs/development.yaml

test: $(STAMP) ## all tests, with branch coverage
	$(BIN)/python -m pytest --cov --cov-report=term:skip-covered -n 2 --dist loadfile $(ARGS)

lint: $(STAMP) ## style, types, who imports whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP) ## put the code into its one form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(STAMP) ## write the parts of the documents that are made from the code
	$(BIN)/python docs/generate.py

endurance: $(STAMP) ## the long tests in full, with their figures: gigabytes, 200 kills, 64 clients for a minute
	FLIGHT_ENDURANCE=1 $(BIN)/python -m pytest -m slow -s -p no:cacheprovider $(ARGS)

bench: $(STAMP) ## one table: ours against bare servers and libraries, each row a ratio
	$(BIN)/python tests/benchmarks/bench.py $(ARGS)

bench-quick: $(STAMP) ## the same with less data, in under two minutes
	$(BIN)/python tests/benchmarks/bench.py --quick $(ARGS)

lock: $(STAMP) ## make the lock files anew from pyproject.toml
	$(BIN)/uv pip compile --quiet --upgrade --generate-hashes --no-emit-index-url --no-header --python-version 3.11 pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --upgrade --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --group dev pyproject.toml -o requirements-dev.lock

clean: ## remove what make made
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage .coverage.*
