# One target for each thing to do; .ci/run calls only these.
#   make run [PORT=7777]   an echo server to talk to (nc 127.0.0.1 7777)
#   make bench             the comparison with tokio: table here, chart and JSON in target/bench/
#   make test              all tests
#   make lint              formatting, clippy and docs, warnings are errors
#   make model             loom models; then each of them with its ordering weakened, which must fail
#   make stress [SECS=60]  the stress tests, longer
#   make memcheck          the core of the test suite under valgrind
#   make doc               the documentation, in target/doc/

PORT ?= 7777
SECS ?= 60
CARGO ?= cargo

.PHONY: run bench bench-smoke test lint model stress memcheck doc

run:
	$(CARGO) run --release --example 03_echo -- $(PORT)

bench:
	$(CARGO) run --release -p filch-benches -- $(ARGS)

# That the benchmark runs; its figures mean nothing on a busy machine.
bench-smoke:
	$(CARGO) run --release -p filch-benches -- --only spawn_local,echo_8 --quick --json target/bench-smoke.json

test:
	$(CARGO) test --workspace --all-targets
	$(CARGO) test --workspace --doc

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(CARGO) clippy -p filch --no-default-features --features tracing -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps

model:
	.ci/model

stress:
	FILCH_STRESS=$(SECS) $(CARGO) test --release -p filch --test stress --test cancel_chaos -- --nocapture --test-threads 1

memcheck:
	.ci/memcheck

doc:
	$(CARGO) doc --workspace --no-deps
