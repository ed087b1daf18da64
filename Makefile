# SPDX-License-Identifier: Apache-2.0
# Everything a person needs; make says what there is.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help build train test test-long coverage lint format docs bench constraints clean distclean

STEPS ?=
SEED ?=
PROFILE ?=
RUN ?=
OPTIONS ?=
VIEW ?=
PYTEST ?=
export GPU PYTHON RUN PROFILE

# A variable that nothing reads would be passed over in silence.
VARIABLES := STEPS SEED PROFILE RUN OPTIONS VIEW PYTEST GPU PYTHON UPGRADE
FOREIGN := SHELL MAKEFLAGS PIP_% ROS_% RMW_% FASTDDS_% FASTRTPS_% CARLA_% PYTHON% OMP_% TORCH_% TD3_% HYPOTHESIS_%
GIVEN := $(strip $(foreach name,$(filter-out -%,$(.VARIABLES)),$(if $(filter command,$(origin $(name))),$(name))))
UNKNOWN := $(filter-out $(VARIABLES) $(FOREIGN),$(GIVEN))
NEAREST = $(shell python3 -c 'import difflib, sys; near = difflib.get_close_matches(sys.argv[1].$1(), sys.argv[2:], 1); \
	print(*(["did you mean", near[0] + "?"] if near else ["there are", ", ".join(sys.argv[2:])]))' $(call QUOTED,$2) $3)
QUOTED = '$(subst ','\'',$1)'
ifneq ($(UNKNOWN),)
$(error unknown variable $(firstword $(UNKNOWN)); $(call NEAREST,upper,$(firstword $(UNKNOWN)),$(VARIABLES)))
endif
# What a run would refuse is refused before minutes of building; the environment may mean others by these names.
MEANT = $(and $($1),$(or $(filter train,$(MAKECMDGOALS)),$(filter command,$(origin $1))))
NUMBER = $(if $(call MEANT,$1),$(if $(shell [[ '$($1)' =~ ^[0-9]+$$ ]] && echo yes),,$(error $1=$($1) is no whole number)))
$(call NUMBER,STEPS)$(call NUMBER,SEED)
PROFILES := $(sort $(basename $(notdir $(wildcard config/*.yaml))))
ifneq ($(call MEANT,PROFILE),)
ifeq ($(shell f=$(call QUOTED,$(PROFILE)); [[ -f config/$$f.yaml || $$f == *.y?(a)ml && -f $$f ]] && echo yes),)
ifneq ($(filter %.yaml %.yml,$(PROFILE)),)
$(error profile $(PROFILE): no such file)
endif
$(error unknown profile $(PROFILE), and no path of a YAML file; $(call NEAREST,lower,$(PROFILE),$(PROFILES)))
endif
endif

help:
	@echo "make help       this list"
	@echo "make train      set up, train on the embedded simulator, judge the run"
	@echo "                STEPS=2000 SEED=1 PROFILE=quick RUN=name VIEW=1 OPTIONS='--set learning.gamma=0.95'"
	@echo "make test       set up and run all tests (PYTEST='-k replay')"
	@echo "make test-long  the proofs that take hours; writes tests/long/runs.md"
	@echo "make coverage   all tests, and which lines and branches of src they run"
	@echo "make build      set up the environment and build the workspace (GPU=1: CUDA build of torch)"
	@echo "make lint       ruff and mypy;   make format: ruff format"
	@echo "make constraints   the versions of all packages anew (UPGRADE=1: the newest)"
	@echo "make docs       the documentation as pages in build/site, and the reference made anew from the code"
	@echo "make bench      the speed and size figures, one JSON object a line"
	@echo "make clean      remove what was built;   make distclean: the environment too"

build:
	@tools/build.sh

train: build
	@tools/env.sh td3-driving train $(if $(STEPS),--steps $(STEPS)) $(if $(SEED),--seed $(SEED)) \
		$(if $(PROFILE),--profile "$$PROFILE") $(if $(RUN),--run "$$RUN") \
		$(if $(filter-out 0,$(VIEW)),--view) $(OPTIONS)

# Each process of the tests would compile its modules anew where the environment forbids to keep them.
test test-long coverage: export PYTHONDONTWRITEBYTECODE :=

# Three tests of several processes may fail once; the output shows how.
test: build
	@tools/env.sh python -m pytest -n auto --maxprocesses 4 --max-suite-reruns 3 --rerun-show-tracebacks $(PYTEST)

test-long: build
	@tools/env.sh python -m pytest -m long -s tests/long $(PYTEST)

coverage: build
	@rm -f .coverage .coverage.*
	@tools/env.sh python -m pytest -n auto --maxprocesses 4 --cov --cov-report=term:skip-covered $(PYTEST)

lint: build
	@tools/env.sh python -m ruff check src tests tools launch
	@tools/env.sh python -m ruff format --check src tests tools launch
	@tools/env.sh python -m mypy

format: build
	@tools/env.sh python -m ruff check --fix src tests tools launch
	@tools/env.sh python -m ruff format src tests tools launch

# UPGRADE=1: the newest versions; without it the versions stay that are there and fit.
constraints: build
	@tools/env.sh python -m pip install --quiet --disable-pip-version-check uv
	@tools/env.sh uv pip compile --quiet --universal --python-version 3.10 --no-annotate $(if $(UPGRADE),--upgrade) \
		--custom-compile-command 'make constraints' \
		requirements/ros.txt requirements/runtime.txt requirements/dev.txt requirements/live.txt -o requirements/constraints.txt

docs: build
	@tools/env.sh python -m tools.reference
	@NO_MKDOCS_2_WARNING=1 tools/env.sh python -m mkdocs build --strict
	@echo "open build/site/index.html; with search: python3 -m http.server -d build/site"

bench: build
	@tools/env.sh tools/bench.sh

clean:
	rm -rf build install log .mypy_cache .ruff_cache .hypothesis .pytest_cache
	find src tests tools launch -name __pycache__ -prune -exec rm -rf {} +

distclean: clean
	rm -rf .venv
