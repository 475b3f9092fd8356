# What a person runs here. `make demo` and `make test` are all it takes on a fresh Debian 12 machine with a Rust
# toolchain; build output is under target/, parts that are built once are under ~/.cache/keelson.

.PHONY: help setup build crds demo demo-down test conformance chaos bench fuzz lint

# How many Invocations `make chaos` runs.
N ?= 1000
# How long `make fuzz` goes on.
SECONDS ?= 60

help: ## Says what there is to make.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

setup: ## Installs what is needed and builds the control plane and the nodes' root, once.
	@scripts/setup

build: setup ## Builds the operator and the agent, the latter as it is shipped: static.
	cargo build
	scripts/build-agent

crds: ## Writes crds/ from the kinds in src/api.
	cargo run --quiet -p keelson-operator -- crds crds

demo: build ## Shows Keelson at work: a control plane, three servers, an Association that keeps them as they should be.
	cargo run --quiet -p keelson-e2e --bin demo -- up

demo-down: ## Stops what make demo has started.
	cargo run --quiet -p keelson-e2e --bin demo -- down

# The tests on real parts take turns: each starts a control plane or nodes, and there may be two cores.
test: build ## Runs all tests: the crates', then those on a real control plane and booted nodes.
	cargo test
	cargo test -p keelson-e2e -- --test-threads=1

# All cases of the folder, or those of CASES=001-077,210.
conformance: build ## Runs recorded documents (KEELSON_CONFORMANCE_DIR) on a booted node, beside the real agent's answers.
	cargo run --quiet -p keelson-e2e --bin conformance -- --cases $(or $(CASES),all)

chaos: build ## Runs N=1000 Invocations while everything between is killed at random: lost 0, doubled 0, or it fails.
	cargo run --quiet -p keelson-e2e --bin chaos -- $(N) $(if $(SEED),--seed $(SEED))

bench: build ## Prints what Keelson costs on this machine, operator and gateway as they are shipped.
	cargo build --release -p keelson-operator
	cargo bench --quiet -p keelson-document --bench parse
	KEELSON_OPERATOR=$(CURDIR)/target/release/keelson-operator cargo run --quiet -p keelson-e2e --bin bench

fuzz: ## Feeds the document parser with nonsense for SECONDS=60, beginning with the documents of KEELSON_CORPUS_DIR.
	scripts/fuzz $(SECONDS)

lint: setup ## Checks format, lints and which crate may use which.
	@scripts/lint
