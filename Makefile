# The commands of the platform. `make` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
UNIT ?=
DATE ?=
YES ?= 0

options = $(if $(UNIT),--unit $(UNIT)) $(if $(DATE),--date $(DATE))
# Tests that need what this machine lacks are left out, and said so; in CI only those that no system package gives.
has_browser := $(or $(filter true,$(CI)),$(shell command -v chromium))
providers := $(or $(TF_PLUGIN_MIRROR),$(wildcard $(TF_CLI_CONFIG_FILE)),$(firstword $(wildcard \
	/opt/tf-plugins /usr/share/terraform/plugins /usr/local/share/terraform/plugins $(HOME)/.terraform.d/plugins)))
has_terraform := $(and $(shell command -v terraform),$(providers))
has_kubectl := $(shell command -v kubectl)
left_out := $(strip $(if $(has_browser),,and not chromium) $(if $(has_terraform),,and not terraform) \
	$(if $(has_kubectl),,and not kubectl))
define say_left_out
	@$(if $(has_browser),true,echo "Left out: the page tests (marker chromium), for lack of Chromium: apt-get install chromium")
	@$(if $(has_terraform),true,echo "Left out: the infrastructure's tests (marker terraform), for lack of Terraform or of a folder with its AWS provider (TF_PLUGIN_MIRROR)")
	@$(if $(has_kubectl),true,echo "Left out: one test of the manifests (marker kubectl), for lack of kubectl")
endef
pytest = $(BIN)/python -m pytest -q -m "$(strip $(1) $(left_out))"
# Four workers at most: each may hold a Spark session of 2 GiB. Arithmetic on one thread each, where arrays are small: more
# threads took twice the processor time. Files are begun in the order of tests/conftest.py, not, as
# would be usual, those of most tests first.
spread := -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

.PHONY: help setup nightly test test-all lint train up down demo doctor clean

help: ## list the commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: $(READY) ## install everything that requirements.lock names into .venv (once)

$(READY): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is needed: install it, or say where: make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "Installing into $(VENV): about four minutes the first time"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -r requirements.lock
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

nightly: setup ## run a night and publish it: UNIT=a name or a unit.yml, DATE=YYYY-MM-DD (default: the shipped advertiser)
	@$(BIN)/moe nightly $(options)

train: setup ## train a unit's model as of a night: UNIT=, DATE=YYYY-MM-DD
	@$(BIN)/moe train $(options)

up: setup ## start Airflow, MLflow, the serving process and the archive of reports; prints their addresses
	@$(BIN)/moe up

demo: setup ## a simulated week with a drift, a retrain, a promotion and a roll-back: about five minutes
	@$(BIN)/python -W ignore -m simulator.demo

down: setup ## end everything that `make up` started
	@$(BIN)/moe down

doctor: setup ## tell what is missing on this machine, and what to do
	@$(BIN)/moe doctor

lint: setup ## ruff, mypy, import rules, SQL
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/sqlfluff lint --disable-progress-bar dbt/models

test: lint ## lint, then the tests, the fast ones first
	OMP_NUM_THREADS=1 $(call pytest,not all) $(spread) tests/code
	$(call pytest,not all) $(spread) tests/e2e tests/data tests/model
	$(say_left_out)

test-all: lint ## every test, also the many combinations (marker all)
	OMP_NUM_THREADS=1 $(call pytest,all or not all) $(spread) tests/code
	$(call pytest,all or not all) $(spread) tests/e2e tests/data tests/model
	$(say_left_out)

clean: ## delete var/ (every table, report and log) and caches; a dry run unless YES=1
	@found="$$(ls -d var .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis dbt/target dbt/logs 2>/dev/null || true)"; \
	if [ -z "$$found" ]; then echo "nothing to delete"; exit 0; fi; \
	du -sh $$found; \
	if [ "$(YES)" != 1 ]; then echo "Nothing was deleted. To delete these: make clean YES=1"; exit 0; fi; \
	if [ -t 0 ]; then read -r -p "Delete them, with every release and model in var/? [y/N] " sure; [ "$$sure" = y ] || exit 0; fi; \
	rm -rf $$found; echo "deleted"
