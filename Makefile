# Everything a person needs: make train | test | build | lint | format | bench | clean
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help build train test lint format bench clean distclean

STEPS ?=
SEED ?=
PROFILE ?=
RUN ?=
OPTIONS ?=
PYTEST ?=
export GPU PYTHON

help:
	@echo "make train      set up, train on the embedded simulator, judge the run"
	@echo "                STEPS=2000 SEED=1 PROFILE=quick RUN=name OPTIONS='--set learning.gamma=0.95'"
	@echo "make test       set up and run all tests (PYTEST='-k replay')"
	@echo "make build      set up the environment and build the workspace (GPU=1: CUDA build of torch)"
	@echo "make lint       ruff and mypy;   make format: ruff format"
	@echo "make bench      the speed and size figures, one JSON object a line"
	@echo "make clean      remove what was built;   make distclean: the environment too"

build:
	@tools/build.sh

train: build
	@tools/env.sh td3-driving train $(if $(STEPS),--steps $(STEPS)) $(if $(SEED),--seed $(SEED)) \
		$(if $(PROFILE),--profile $(PROFILE)) $(if $(RUN),--run '$(RUN)') $(OPTIONS)

test: build
	@tools/env.sh python -m pytest $(PYTEST)

lint: build
	@tools/env.sh python -m ruff check src tests tools launch
	@tools/env.sh python -m ruff format --check src tests tools launch
	@tools/env.sh python -m mypy

format: build
	@tools/env.sh python -m ruff check --fix src tests tools launch
	@tools/env.sh python -m ruff format src tests tools launch

bench: build
	@tools/env.sh tools/bench.sh

clean:
	rm -rf build install log .mypy_cache .ruff_cache .hypothesis .pytest_cache
	find src tests tools launch -name __pycache__ -prune -exec rm -rf {} +

distclean: clean
	rm -rf .venv
