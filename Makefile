# Everything a newcomer needs: `make demo` and `make test` do all set-up by themselves.
PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.PHONY: help setup demo test test-faults soak check bench stack clean
.DEFAULT_GOAL := help

help:
	@echo "make demo    the main job on real embedded servers, about a minute (KEEP=1 leaves it running)"
	@echo "make test    every test, on real embedded servers"
	@echo "make test-faults  only what is killed, cut, crashed, filled up: about 5 minutes, with an account of every scenario"
	@echo "make soak MINUTES=20  random faults from a printed seed (SEED=…): nothing lost, nothing doubled, memory flat"
	@echo "make check   format, lint, types"
	@echo "make bench   speed, as ratios within one run, under 10 minutes (QUICK=1: about one; ONLY=single,batch20; CITY=1; JSON=file)"
	@echo "make stack   start the embedded servers and print their addresses (stop: .venv/bin/meterwarden stack down)"
	@echo "make clean   remove the virtual environment and caches of this checkout"

setup: $(READY)

# pip takes its mirror from the machine's own configuration; the lock pins versions and hashes only
$(READY): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) not found: install it (Debian 12: apt-get install python3.11 python3.11-venv) or set PYTHON=" >&2; exit 2; }
	@echo "setting up $(VENV) (once, under a minute)"
	@$(PYTHON) -m venv $(VENV) || { echo "python's venv module is missing: apt-get install python3.11-venv" >&2; exit 2; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(READY)
	@$(BIN)/meterwarden demo $(if $(KEEP),--keep)

# tests mostly wait for real timeouts: more processes than cores, each with servers of its own; WORKERS=0 runs them in one
WORKERS ?= 3
PYTEST := $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile

test: $(READY)
	@$(PYTEST) $(PYTEST_ARGS)

test-faults: $(READY)
	@$(PYTEST) tests/faults $(PYTEST_ARGS)

soak: $(READY)
	@$(BIN)/python -m tests.faults.soak --minutes $(or $(MINUTES),20) $(if $(SEED),--seed $(SEED))

check: $(READY)
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

bench: $(READY)
	@$(BIN)/python -m benchmarks $(if $(QUICK),--size quick) $(if $(ONLY),--only $(ONLY)) $(if $(CITY),--with city) $(if $(JSON),--json $(JSON))

stack: $(READY)
	@$(BIN)/meterwarden stack up

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist *.egg-info
