# Every target sets itself up: a virtual environment in .venv, with the versions of constraints.txt.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SIDE_BY_SIDE := -n auto --dist loadfile --no-loadscope-reorder
BENCH_STAMP := $(VENV)/.installed-bench

.DEFAULT_GOAL := help
.PHONY: help setup demo test compiled test-compiled image image-twice test-long test-page pictures test-cluster test-monitoring test-engines cluster cluster-down lint format generate faults hostile fuzz bench bench-all bench-cluster bench-scale soak clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): pyproject.toml constraints.txt
	@scripts/setup $(PYTHON) $(VENV) dev
	@touch $@

$(BENCH_STAMP): $(STAMP)
	@scripts/setup $(PYTHON) $(VENV) dev,bench
	@touch $@

setup: $(STAMP) ## Make the virtual environment

demo: $(STAMP) ## Three simulated engines, one policy, real traffic, a live picture
	@$(BIN)/signalbox demo

test: $(STAMP) ## Run the tests; the first time builds a Kubernetes control plane (minutes)
	@PYTHONPATH=tests $(BIN)/python -m cluster build
	@$(BIN)/pytest $(SIDE_BY_SIDE)

test-long: $(STAMP) ## Run the tests that take minutes: every crash point, minutes of rest
	@PYTHONPATH=tests $(BIN)/python -m cluster build
	@$(BIN)/pytest $(SIDE_BY_SIDE) -m long

.compiled/.made: $(STAMP) pyproject.toml scripts/compiled.py $(shell find operator/signalbox -name '*.py')
	@echo "compiling the hot path (two minutes)"
	@rm -rf .compiled
	@SIGNALBOX_COMPILED=1 $(BIN)/python -m hatchling build -t wheel -d dist
	@$(BIN)/python -m zipfile -e "$$(ls -t dist/signalbox-*-cp*.whl | head -1)" .compiled
	@$(BIN)/python -m compileall -q --invalidation-mode unchecked-hash .compiled # as an installation has it
	@touch $@

compiled: .compiled/.made ## Build the wheel with the hot path compiled (needs a C compiler; two minutes)

TESTS ?= tests/router tests/routing
test-compiled: .compiled/.made ## Run the tests of the router with the hot path compiled (TESTS=tests/router/wire: some)
	@PYTHONPATH=.compiled $(BIN)/pytest $(SIDE_BY_SIDE) $(TESTS)

image: $(STAMP) ## Build the image by buildah, without a network, for the tests (root, Linux, apt-get; three minutes)
	@PYTHONPATH=tests $(BIN)/python -m cluster image

image-twice: $(STAMP) ## Build the image twice, and compare every byte (as above; six minutes)
	@$(BIN)/pytest -m long tests/cluster/node/test_image.py

test-cluster: $(STAMP) ## Run the tests that need pods: on a node in namespaces of its own (root, Linux, apt-get)
	@$(BIN)/pytest -m node

test-monitoring: $(STAMP) ## Run the tests with a real Prometheus: alerts, dashboard; the first time builds it (minutes)
	@PYTHONPATH=tests $(BIN)/python -m cluster build --monitoring
	@$(BIN)/pytest -m monitoring tests/monitoring

test-page: $(STAMP) ## Look at the live page in a browser (Debian's chromium, which root gets by apt-get)
	@scripts/chromium
	@$(BIN)/pytest -m page tests/page

pictures: $(STAMP) ## Take the pictures of docs/page.md anew, from a real run (7 minutes)
	@scripts/chromium
	@cd tests/page && PYTHONPATH=../signals/page ../../$(BIN)/python pictures.py ../../docs/pictures

test-engines: $(STAMP) ## Run the tests with a real vLLM on processors (6 GB of disk, AVX-512, 10 minutes)
	@$(BIN)/pytest -m engines tests/engines

cluster: $(STAMP) ## Start a cluster with a node that stays up (root, Linux, apt-get)
	@PYTHONPATH=tests $(BIN)/python -m cluster up

cluster-down: $(STAMP) ## Remove that cluster, and every trace of it
	@PYTHONPATH=tests $(BIN)/python -m cluster down

lint: $(STAMP) ## Format check, lint, types, layers, drift of generated files
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python scripts/generate.py --check

format: $(STAMP) ## Format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

generate: $(STAMP) ## Write the CRDs, the generated documents and the Kustomize base
	@$(BIN)/python scripts/generate.py
	@$(BIN)/python scripts/base.py

.PHONY: audit sbom
audit: $(STAMP) ## Ask for known vulnerabilities of all pinned versions (and say so where nobody answers)
	@scripts/setup $(PYTHON) $(VENV) dev,audit
	@$(BIN)/python scripts/audit.py

sbom: $(STAMP) ## Write what an installation holds to dist/sbom.cdx.json (CycloneDX; no network)
	@$(BIN)/python scripts/sbom.py dist/sbom.cdx.json

faults: $(STAMP) ## Play every fault of every strategy, and write docs/strategies-faults.md
	@PYTHONPATH=tests:tests/router $(BIN)/python -m faults_page

hostile: $(BENCH_STAMP) ## Play hostile requests and engines against a router and bare Envoy, and write docs/hostile.md
	@PYTHONPATH=tests:tests/router $(BIN)/python -m hostile

fuzz: $(STAMP) ## Try 20,000 examples of every property of what is read from outside (SIGNALBOX_FUZZ_EXAMPLES says how many)
	@SIGNALBOX_FUZZ_EXAMPLES=$${SIGNALBOX_FUZZ_EXAMPLES:-20000} $(BIN)/pytest -m fuzz -s -q tests/router tests/routing

bench-cluster: $(STAMP) ## Measure operator and routers on a node with pods (root, Linux, apt-get)
	@PYTHONPATH=tests $(BIN)/python -m benchmarks.cluster

bench: $(BENCH_STAMP) .compiled/.made ## Compare with Envoy, nginx, LiteLLM, vllm-router: table, picture, JSON (C compiler, 25 min)
	@PYTHONPATH=.compiled $(BIN)/python -m benchmarks.versus

bench-all: $(BENCH_STAMP) ## Run every other benchmark (needs a C compiler, an hour)
	@$(BIN)/python -m benchmarks

bench-scale: $(STAMP) ## Measure the operator with 1,000 policies and 5,000 backends on a real control plane (20 min)
	@PYTHONPATH=tests $(BIN)/python -m scale

soak: $(STAMP) ## 30 minutes of mixed traffic with faults and reloads (MINUTES=2 for a trial; needs a C compiler)
	@$(BIN)/python -m benchmarks soak

clean: ## Remove the virtual environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis benchmarks/.build
