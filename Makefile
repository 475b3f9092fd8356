# What a person runs here. `make demo` and `make test` are all it takes on a fresh Debian 12 machine with a Rust
# toolchain; build output is under target/, parts that are built once are under ~/.cache/keelson.

.PHONY: help setup build crds test lint

help: ## Says what there is to make.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

setup: ## Installs what is needed and builds the control plane and the nodes' root, once.
	@scripts/setup

build: setup ## Builds the operator and the agent, the latter as it is shipped: static.
	cargo build
	scripts/build-agent

crds: ## Writes crds/ from the kinds in src/api.
	cargo run --quiet -p keelson-operator -- crds crds

# The tests on real parts take turns: each starts a control plane or nodes, and there may be two cores.
test: build ## Runs all tests: the crates', then those on a real control plane and booted nodes.
	cargo test
	cargo test -p keelson-e2e -- --test-threads=1

lint: setup ## Checks format, lints and which crate may use which.
	@scripts/lint
