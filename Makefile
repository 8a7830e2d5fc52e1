# Everything here needs Python 3.11 or newer and make, and nothing else: the first verb that needs it makes .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
BENCH := .venv-bench
BENCH_STAMP := $(BENCH)/.installed

.PHONY: install demo serve test coverage languages lint format docs endurance reloads bench bench-quick bench-runtime bench-native bench-plot bench-peers lock clean

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

test: $(STAMP) ## all tests
	$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

coverage: $(STAMP) ## all tests, with the branches that they take, also in the servers that they start; twice the time
	$(BIN)/python -m pytest --cov --cov-report=term:skip-covered -n 2 --dist loadfile $(ARGS)

languages: $(STAMP) ## build the examples in other languages (clients in Go and Rust, a plugin in Rust) and test them; needs their tools and the network
	FLIGHT_LANGUAGES=1 $(BIN)/python -m pytest tests/test_clients_go.py tests/test_clients_rust.py tests/test_native_rust.py $(ARGS)

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
	$(BIN)/python docs/command_line.py

endurance: $(STAMP) ## the long tests in full, with their figures: gigabytes, 200 kills, 64 clients for a minute; and properties with new examples
	FLIGHT_ENDURANCE=1 $(BIN)/python -m pytest -m "slow or hypothesis" -s -p no:cacheprovider $(ARGS)

reloads: $(STAMP) ## 2,000 reloads of plugins, good and bad, twenty a second under 16 streams, with their figures
	FLIGHT_ENDURANCE=1 $(BIN)/python -m pytest tests/test_reload_storm.py tests/test_plugin_rearming.py -s -p no:cacheprovider $(ARGS)

$(BENCH_STAMP): requirements-bench.lock pyproject.toml
	$(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bench.lock
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

bench: $(BENCH_STAMP) ## one table: ours against bare servers, libraries and engines, each row a ratio; docs/benchmarks.json
	$(BENCH)/bin/python tests/benchmarks/bench.py --json docs/benchmarks.json $(ARGS)

bench-quick: $(BENCH_STAMP) ## the same with less data, in under two minutes; writes nothing
	$(BENCH)/bin/python tests/benchmarks/bench.py --extent quick $(ARGS)

bench-runtime: $(STAMP) ## what it costs to run plugins in processes of their own, held against the same in the server's
	$(BIN)/python tests/benchmarks/runtime.py $(ARGS)

bench-native: $(STAMP) ## how fast a plugin in C decodes through the server, held against pyarrow's reader of the same as Arrow IPC
	$(BIN)/python tests/benchmarks/native_decoding.py $(ARGS)

bench-plot: $(BENCH_STAMP) ## draw docs/benchmarks.png, and write the table in docs/benchmarks.md, from docs/benchmarks.json
	$(BENCH)/bin/python tests/benchmarks/plot.py

bench-peers: $(BENCH_STAMP) ## the same work by other servers of Arrow data, each in an environment of its own
	$(BENCH)/bin/python tests/benchmarks/peers.py $(ARGS)

lock: $(STAMP) ## make the lock files anew from pyproject.toml
	$(BIN)/uv pip compile --quiet --upgrade --generate-hashes --no-emit-index-url --no-header --python-version 3.11 pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --upgrade --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --group dev pyproject.toml -o requirements-dev.lock
	$(BIN)/uv pip compile --quiet --upgrade --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --constraint requirements.lock --group bench pyproject.toml -o requirements-bench.lock

clean: ## remove what make made
	rm -rf $(VENV) $(BENCH) .venv-peers clients/go/flight-example clients/rust/target format_plugins/native/examples/rust/target dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage .coverage.*
