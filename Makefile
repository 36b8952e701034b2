# modelmonitor: every command a developer needs. `make` lists them.
#
# The two that matter:  make demo   the whole loop on a real Kubernetes, as a story
#                       make test   everything that must hold
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Where the demo runs: local (our own cluster on this machine), kind, or current (your kubeconfig).
CLUSTER ?=
# More arguments for pytest, for example: make unit ARGS="-k pane -x"
ARGS ?=

# Programs that were compiled for the tests: kubectl, helm, etcd, …
CACHE := $(or $(MM_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/modelmonitor)
export PATH := $(CACHE)/bin:$(HOME)/.local/bin:$(PATH)
export UV_PROJECT_ENVIRONMENT ?= $(CURDIR)/.venv

RUN := uv run --frozen --extra operator --extra report
PYTEST := $(RUN) coverage run -m pytest
NEEDS_MACHINE := api or chart or cluster or e2e or interop

.PHONY: help
help: ## List the targets.
	@awk 'BEGIN {FS = ":.*## "} \
		/^## / {printf "\n%s\n", substr($$0, 4)} \
		/^[a-z][a-z0-9-]*:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

## Prepare

.PHONY: bootstrap venv cluster-build
bootstrap: venv ## Install what is missing on a bare Debian: packages, uv, Python packages.
	python3 tests/cluster bootstrap

venv: ## Install uv where it is missing, and the locked Python packages.
	@command -v uv >/dev/null || tests/install-uv
	uv sync --frozen --extra operator --extra report

cluster-build: ## Build Kubernetes, CoreDNS and Helm from source, once (cached by content).
	python3 tests/cluster build

## Check

.PHONY: lint format types contracts generate golden
lint: ## Style: ruff check and format.
	$(RUN) ruff check .
	$(RUN) ruff format --check .

format: ## Repair what style can repair by itself.
	$(RUN) ruff check --fix .
	$(RUN) ruff format .

types: ## Types: mypy --strict.
	$(RUN) mypy

contracts: ## Layers: who may import whom.
	$(RUN) lint-imports

generate: ## Write crds/ from the API models, and the chart's copy.
	$(RUN) python -m modelmonitor.crd
	mkdir -p helm/modelmonitor/files/crds
	cp crds/*.yaml helm/modelmonitor/files/crds/

golden: ## Write the golden files of the tests again; look at the difference before committing.
	MM_GOLDEN=write $(PYTEST) -m "not e2e and not cluster and not api" -k golden $(ARGS)

## Test

.PHONY: unit interop chart api cluster-test e2e coverage test
unit: ## Tests that need nothing but Python.
	$(PYTEST) -m "not ($(NEEDS_MACHINE))" $(ARGS)

interop: ## Tests against real model servers and clients, each installed once in a venv.
	$(RUN) python -m tests.interop.venvs
	$(PYTEST) -m interop $(ARGS)

chart: ## Tests of the Helm chart.
	$(PYTEST) -m chart $(ARGS)

api: ## Tests on a real kube-apiserver.
	$(PYTEST) -m api $(ARGS)

cluster-test: ## Tests of the local cluster itself.
	$(PYTEST) -m cluster $(ARGS)

e2e: ## End-to-end tests on the real cluster.
	$(PYTEST) -m e2e -rP $(ARGS)

coverage: ## Report the coverage of the tests that ran.
	$(RUN) coverage combine --quiet
	$(RUN) coverage report

test: ## Everything, from a bare machine: what is missing is installed, each step is timed.
	@python3 tests/everything.py

## Measure

.PHONY: bench-dataplane bench-statistics fuzz
bench-dataplane: venv ## What the data path costs, beside its peers, and what it survives (needs a quiet machine).
	$(RUN) python -m bench.dataplane $(ARGS)

bench-statistics: venv ## Whether verdicts can be believed, beside peers' rules: false alarms, delay, speed (hours).
	$(RUN) python -m bench.statistics $(ARGS)

fuzz: venv ## A million mutated messages through framing and decoders.
	$(RUN) python -m bench.fuzz $(ARGS)

## Cluster

.PHONY: cluster-up cluster-down cluster-status images
cluster-up: ## Start (or heal) the local two-node Kubernetes.
	python3 tests/cluster up

cluster-down: ## Stop it; nothing is left behind.
	python3 tests/cluster down

cluster-status: ## Say what of it runs.
	python3 tests/cluster status

images: ## Build the operator's and the collector's image and load them on the local cluster.
	python3 tests/cluster build-images --load

## Demo

.PHONY: demo demo-down
demo: ## The whole story: a real model drifts, alarms, is retrained, recovers (CLUSTER=local|kind|current).
	CLUSTER=$(CLUSTER) demo/run

demo-down: ## Remove the demo and its cluster.
	CLUSTER=$(CLUSTER) demo/down
