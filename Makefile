# Everything lands in .venv/ and target/; no root is needed. `make` alone prints what there is.
.DEFAULT_GOAL := help
.PHONY: help setup demo test check format bench loadtest docs build-dev fuzz chaos mutants lock clean

MATCHER ?= rust
PYTHON ?=
ARGS ?=
ROUNDS ?=
CASES ?= 20000
SECONDS ?= 180
SEED ?= 7
BIN := .venv/bin
# rustup writes here; a shell that was open before does not know it yet.
export PATH := $(PATH):$(HOME)/.cargo/bin
export MATCHER PYTHON

help: ## Print this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

setup: ## Make .venv with empq and empq-worker in .venv/bin (MATCHER=python: without Rust).
	@sh tools/setup.sh

demo: setup ## Show it working: Redis, a hub, five unequal workers, about 60 jobs; under a minute; leaves pictures in demo-output.
	@sh tools/with_matcher.sh $(BIN)/python -m empq.allinone.demo

test: setup ## Run the whole suite, Rust and Python (ARGS="-k claim" goes to pytest).
	@sh tools/test.sh $(ARGS)

check: setup ## Format, lint, types, stub, clippy, contract tests of the source tree, generated docs.
	@sh tools/check.sh

format: setup ## Rewrite the sources in the house's format.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	cargo fmt --all

bench: setup ## Measure (ROUNDS=1: each benchmark once, to see that it still runs).
	@sh tools/bench.sh $(ROUNDS)

loadtest: setup ## Run locust for half a minute against an `empq up` of its own.
	@sh tools/with_matcher.sh $(BIN)/python loadtests/run.py $(ARGS)

docs: setup ## Write what is made from the source: docs/lifecycle.md, docs/settings.md, the tables of docs/protocol.md.
	@$(BIN)/python tools/generate_docs.py

build-dev: setup ## Build the extension without optimisation, quickly; the next `make setup` builds it in release mode.
	@rm -f .venv/.package
	VIRTUAL_ENV="$$PWD/.venv" $(BIN)/maturin develop --locked

fuzz: setup ## Compare the Rust index with its slow twins on many random cases (CASES=20000).
	PROPTEST_CASES=$(CASES) cargo test --locked --release --package empq-matcher
	$(BIN)/python -m pytest tests/matching

chaos: setup ## Break hubs, Redis and links at random, then judge what everybody was told (SECONDS=180 SEED=7).
	@sh tools/with_matcher.sh $(BIN)/python -m tests.chaos.run --seconds $(SECONDS) --seed $(SEED) $(ARGS)

mutants: setup ## Put 35 bugs into copies of the sources and see that the tests find each (ARGS="lease" for some).
	@sh tools/with_matcher.sh $(BIN)/python -m tests.mutants $(ARGS)

lock: setup ## Renew requirements/*.txt with the newest versions that pyproject.toml allows.
	$(BIN)/python tools/lock.py --upgrade

clean: ## Remove all that was built, downloaded or cached.
	rm -rf .venv target .hypothesis .pytest_cache .ruff_cache .mypy_cache .benchmarks demo-output
	find . -name .git -prune -o -name __pycache__ -prune -exec rm -rf {} +
	find python -name '_rust*.so' -exec rm -f {} +
