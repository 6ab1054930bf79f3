# Two commands are enough: `make tune` and `make test`. Everything else is named below.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
LAB    ?= lab
ROUNDS ?=
TRIALS ?= 2
JOBS   ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu)
SEED   ?= 0
BATCH  ?=
OUT    ?=
RUN    ?=
PORT   ?= 5000
NEURAL ?= 1
DATA   ?= data
RATINGS ?=
TASK   ?= implicit-ranking

LOG     = $(or $(RATINGS),$(DATA)/ml-latest-small)

.DEFAULT_GOAL := help
.PHONY: help setup extras tune recommend course-demo leaderboard export ui test test-all check bench bench-full readme clean report

help:  ## list what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: $(VENV)/ready  ## make .venv from the pinned lock; NEURAL=0 leaves out what neural recommenders need

$(VENV)/ready: requirements.lock requirements-neural.lock pyproject.toml
	@$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11)' || { echo "Python 3.11 or later is needed: make PYTHON=python3.11 …"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock $(if $(filter 1,$(NEURAL)),-r requirements-neural.lock)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

extras: $(VENV)/extras  ## what PostgreSQL, Dask and PyOD need, and the servers that tests start

$(VENV)/extras: $(VENV)/ready requirements-extras.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-extras.lock
	@touch $@

tune: setup  ## tune every detector on ROUNDS="a.npz b.npz" (default: an embedded course), ending with a leaderboard
	@$(BIN)/anomaly-lab tune $(foreach round,$(ROUNDS),--round $(round)) --trials $(TRIALS) --jobs $(JOBS) --seed $(SEED) --store $(LAB)

recommend: setup  ## tune recommenders on RATINGS=log (default: MovieLens latest-small, fetched), then ask the best one
	@$(if $(RATINGS),,$(BIN)/anomaly-lab data fetch ml-latest-small --to $(DATA))
	@$(BIN)/anomaly-lab tune --task $(TASK) --ratings $(LOG) --trials $(TRIALS) --jobs $(JOBS) --seed $(SEED) --store $(LAB)
	@$(BIN)/anomaly-lab recommend --ratings $(LOG) --held-out -n 20 --store $(LAB)

course-demo: setup  ## run a course of four simulated rounds with six detectors as teams, up to its final page
	@$(BIN)/python -m experiments.course_demo $(LAB)/course-demo --seed $(SEED)

leaderboard: setup  ## show the leaderboard again
	@$(BIN)/anomaly-lab leaderboard --store $(LAB)

export: setup  ## refit the best run and score BATCH=next.npz OUT=scores.npz (default: the embedded course's round 4)
	@$(BIN)/anomaly-lab export --store $(LAB) $(if $(BATCH),--batch $(BATCH)) $(if $(OUT),--out $(OUT))

report: setup  ## write OUT=report.html, what a team hands in about RUN=id (default: the best run)
	@$(BIN)/anomaly-lab report --store $(LAB) $(if $(RUN),--run $(RUN)) $(if $(BATCH),--batch $(BATCH)) $(if $(OUT),--out $(OUT))

ui: setup  ## every run in MLflow's UI on 127.0.0.1
	@$(BIN)/anomaly-lab ui --store $(LAB) --port $(PORT)

test: setup  ## fast tests
	@$(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal -m "not slow"

test-all: setup extras  ## every test, the slow ones and the example plugin too
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --upgrade --target $(VENV)/example-plugin tests/plugin
	@PYTHONPATH=$(CURDIR)/$(VENV)/example-plugin $(BIN)/python -m pytest -q -n $(JOBS) --hypothesis-profile thorough

check: setup  ## ruff, mypy and import-linter
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: setup $(VENV)/bench  ## measure speed in a few minutes, each script against its own baseline
	@for script in experiments/bench/bench_*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

bench-full: bench  ## measure it at full size too: 20 million ratings, a million users, 10,000 runs
	@for script in experiments/bench/full_*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

$(VENV)/bench: $(VENV)/ready requirements-bench.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-bench.lock
	@touch $@

readme: setup  ## print README's board anew
	@$(BIN)/anomaly-lab tune --trials $(TRIALS) --jobs $(JOBS) --store $(LAB) 2>/dev/null | $(BIN)/python -m experiments.readme

clean:  ## remove what was built; your lab folder stays
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .hypothesis .mypy_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
