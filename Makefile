# Fieldgate. `make help` explains every target; each may be run again at any time.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PY := .venv/bin/python
export CARGO_TERM_COLOR ?= never
MAKEFLAGS += --no-print-directory
# The tests start some hundred Pythons: none compiles the sources anew.
unexport PYTHONDONTWRITEBYTECODE
# Of its own: make's job server does not reach it through a recipe.
CARGO := MAKEFLAGS= cargo
# Most tests wait for others most of their time: three workers for a core. With arguments of one's own: one process.
PYTEST_ARGS ?= -n $(shell echo $$((3 * $$(nproc)))) --dist loadgroup

STAMPS := .make
RUST_SOURCES := $(shell find codecs/src -name '*.rs' 2>/dev/null) codecs/Cargo.toml codecs/Cargo.lock
CONSOLE_SOURCES := $(shell find console/src console/public -type f 2>/dev/null) $(wildcard console/*.html console/*.json console/*.ts)

say = @printf '\033[1m▸ %s\033[0m\n'

.PHONY: help
help: ## this list
	@echo 'Fieldgate 现场融合通信网关 — make targets:'
	@awk -F':.*## ' '/^[a-z][a-z-]*:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# ── set-up ───────────────────────────────────────────────────────────────────
.PHONY: setup
setup: $(STAMPS)/python ## check the machine, make .venv with the locked packages
$(STAMPS)/python: requirements.lock scripts/setup.sh
	@scripts/setup.sh python
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/node: console/package-lock.json scripts/setup.sh
	@scripts/setup.sh node
	@mkdir -p $(STAMPS) && touch $@

.PHONY: peers
peers: $(STAMPS)/python ## install the programs the tests are held against (Debian packages)
	@scripts/setup.sh peers

.PHONY: long-peers
long-peers:
	@scripts/setup.sh long
.PHONY: bench-peers
bench-peers:
	@scripts/setup.sh bench

# ── build ────────────────────────────────────────────────────────────────────
.PHONY: build bytecode
build: $(STAMPS)/codecs $(STAMPS)/console bytecode ## build the media plane (Rust) and the console (TypeScript)
# As an installed wheel has it: where Python may not write beside its sources (PYTHONDONTWRITEBYTECODE, a folder of
# another user) it would translate 500 files at every start, which is half of the time to ready. Takes 0.1 s when done.
bytecode: $(STAMPS)/python
	@$(PY) -m compileall -q gateway adapters
$(STAMPS)/codecs: $(STAMPS)/python $(RUST_SOURCES)
	$(say) 'media plane: building the extension gateway.codecs (first time: 2 to 3 minutes)'
	@scripts/setup.sh rust
	@MAKEFLAGS= .venv/bin/maturin develop --release --quiet --locked > $(STAMPS)/codecs.log 2>&1 || { tail -n 30 $(STAMPS)/codecs.log; exit 1; }
	@touch $@
$(STAMPS)/console: $(STAMPS)/node $(CONSOLE_SOURCES)
	$(say) 'console: building'
	@cd console && npm run --silent build -- --logLevel warn
	@touch $@

.PHONY: wheel
wheel: $(STAMPS)/python $(STAMPS)/console ## a wheel that runs without this folder, in dist/
	@scripts/setup.sh rust
	$(say) 'wheel: building into dist/'
	@.venv/bin/maturin build --release --quiet --locked --out dist
	@ls -1 dist

.PHONY: lock
lock: ## write requirements.lock anew from the newest versions that pyproject.toml allows
	@scripts/setup.sh lock

.PHONY: example-config
example-config: $(STAMPS)/codecs ## write config/fieldgate.example.toml anew from the config models
	@$(PY) -m gateway.config.example > config/fieldgate.example.toml

# ── run ──────────────────────────────────────────────────────────────────────
.PHONY: demo
demo: build ## set everything up, start gateway and one simulated control ball, print the link to open
	@.venv/bin/fieldgate demo $(DEMO_ARGS)

.PHONY: demo-center
demo-center: build ## a center, two counties' kits behind bad links, and a page where a click cuts a link (root)
	@$(PY) -m tests.emu.demo $(DEMO_ARGS)

.PHONY: demo-check
demo-check: build peers ## the demo without a person: headless Chromium plays, moves, loses and regains the ball
	@$(PY) -m tests.peers.demo_check

# ── test ─────────────────────────────────────────────────────────────────────
# Two at once: a download beside a compiler, a checker beside another. The last two use all cores by themselves.
.PHONY: test
test: ## set everything up and pass all tests (what CI runs)
	@$(MAKE) -j2 build peers
	@$(MAKE) -j2 lint types test-console test-rust
	@$(MAKE) test-python
	@$(MAKE) test-interop
	$(say) 'all tests passed'

.PHONY: lint
lint: $(STAMPS)/python
	$(say) 'lint: ruff, rustfmt, clippy'
	@.venv/bin/ruff check --quiet .
	@.venv/bin/ruff format --quiet --check .
	@cd codecs && $(CARGO) fmt --check
	@cd codecs && $(CARGO) clippy --quiet --locked --no-deps --all-targets -- -D warnings

.PHONY: types
types: $(STAMPS)/codecs
	$(say) 'types: mypy (--strict; tests: names and calls), stubtest of gateway/codecs.pyi'
	@.venv/bin/mypy
	@.venv/bin/python -m mypy.stubtest gateway.codecs --allowlist tests/house/stubtest.allow --mypy-config-file pyproject.toml

.PHONY: test-rust
test-rust: $(STAMPS)/python
	$(say) 'tests: the media plane (cargo test)'
	@cd codecs && $(CARGO) test --quiet --locked --no-default-features 2>&1 | grep -vE '^(running 0|test result: ok. 0 passed|\.*$$|$$)' || (exit $${PIPESTATUS[0]})

.PHONY: test-console
test-console: $(STAMPS)/node
	$(say) 'tests: the console (tsc, vitest)'
	@cd console && npm test --silent

.PHONY: test-python
test-python: $(STAMPS)/codecs $(STAMPS)/console
	$(say) 'tests: the gateway (pytest; peers we did not write included)'
	@$(PY) -m pytest $(PYTEST_ARGS) -m 'not long' --ignore=tests/paths/test_uplink_links.py

.PHONY: test-long
test-long: build peers long-peers ## tests of half a minute each that `make test` leaves out (4 minutes)
	@$(PY) -m pytest -m long

# In memory cargo test runs the same situations by two seeds; here by five, then on emulated links, which want the machine
# for themselves.
.PHONY: test-links
test-links: build peers ## the link bundle over bad links: cuts, bursts, reordering; in memory, then emulated (root; 6 minutes)
	@cd codecs && BUNDLE_SEEDS=5 $(CARGO) test --quiet --locked --no-default-features --test bundle_links --test bundle_cuts
	@$(PY) -m pytest tests/paths/test_uplink_links.py

.PHONY: test-interop
test-interop: $(STAMPS)/codecs $(STAMPS)/console
	$(say) 'tests: a sample of the interop matrix (each way in, each pair of codecs, five outputs)'
	@$(PY) -m tests.interop.matrix --sample --again

.PHONY: fuzz
fuzz: setup ## fuzz every parser, SECONDS_EACH=300 seconds each; the corpora are kept
	@scripts/setup.sh fuzz
	@codecs/fuzz/run.sh $${SECONDS_EACH:-300}
	@$(PY) -m tests.properties.fuzz_text --seconds $${SECONDS_EACH:-300}

# ── bench: each ends with one line of JSON ───────────────────────────────────
.PHONY: bench-fanout bench-latency bench-memory bench-voice
bench-fanout: build bench-peers ## CPU per delivered packet against Janus and against the bare limit
	@cd codecs && cargo build --quiet --release --locked --no-default-features --examples
	@$(PY) -m tests.bench.fanout $(BENCH_ARGS)
bench-voice: build bench-peers ## CPU per voice leg beside pjsua2 and rtpengine, and the 20 ms clock's lateness
	@cd codecs && cargo build --quiet --release --locked --no-default-features --examples
	@$(PY) -m tests.bench.voice $(BENCH_ARGS)
.PHONY: bench-ingest
bench-ingest: build bench-peers peers ## CPU per Mb/s of RTSP and SRT passed through, beside FFmpeg and GStreamer
	@cd codecs && cargo build --quiet --release --locked --no-default-features --examples
	@$(PY) -m tests.bench.ingest $(BENCH_ARGS)
.PHONY: bench-idle
bench-idle: build peers ## what the daemon takes of a processor with nothing to do, by thread (BENCH_ARGS="--seconds 20")
	@$(PY) -m tests.bench.idle $(BENCH_ARGS)
.PHONY: bench-outage
bench-outage: build peers ## a publisher dies and comes back: first pictures, resuming, changes (BENCH_ARGS="--outages 1,10")
	@$(PY) -m tests.bench.outage $(BENCH_ARGS)
.PHONY: bench-uplink
bench-uplink: build bench-peers peers ## a picture and a call over bad links, beside SRT, RTP and MPTCP (root; BENCH_ARGS="--seconds 30 --seeds 1")
	@cd codecs && cargo build --quiet --release --locked --no-default-features --examples
	@$(PY) -m tests.bench.uplink $(BENCH_ARGS)
.PHONY: bench-links
bench-links: build peers ## links: switching beside kernel metrics, flapping, modems, load (root for some; BENCH_ARGS="--parts flap")
	@cd codecs && cargo build --quiet --release --locked --no-default-features --examples
	@$(PY) -m tests.bench.links $(BENCH_ARGS)
.PHONY: bench-fleet
bench-fleet: build ## 3,000 made-up kits by mosquitto and by three NATS servers (BENCH_ARGS="--kits 300 --seconds 10")
	@scripts/setup.sh fleet
	@$(PY) -m tests.bench.fleet $(BENCH_ARGS)
.PHONY: interop-media
interop-media: build peers ## every program, way in, codec and output that make sense; writes docs/interop.md (under an hour)
	@$(PY) -m tests.interop.matrix --write docs/interop.md $(INTEROP_ARGS)
.PHONY: soak-sources soak-publish
soak-sources: build peers ## 24 dead sources retried for an hour: flat memory, under 1 % of a core (SOAK_ARGS="--minutes 5")
	@$(PY) -m tests.soak.dead_sources $(SOAK_ARGS)
soak-publish: build peers ## 1,000 publish and unpublish cycles by RTSP, RTMP, SRT, WHIP, MPEG-TS, GB/T 28181 and JT/T 1078: nothing may be left
	@$(PY) -m tests.soak.publish_cycles $(SOAK_ARGS)
.PHONY: soak-chaos
soak-chaos: build peers ## a source of every kind, disturbed at random: all comes back, no viewer is sent away (SOAK_ARGS="--minutes 10 --seed 1")
	@$(PY) -m tests.soak.chaos $(SOAK_ARGS)
.PHONY: soak-voice
.PHONY: soak-events
soak-events: build peers ## 100,000 alarms of a kit through 200 link cuts and 50 SIGKILLs, each once at the center (15 minutes)
	@$(PY) -m tests.soak.events $(SOAK_ARGS)
soak-voice: build peers ## 2,000 calls and 200 killed callers: nothing may be left, memory flat (about 10 minutes)
	@$(PY) -m tests.soak.voice $(SOAK_ARGS)
bench-latency: build ## packet in to packet out at 1 and 50 streams while the control plane stalls
	@cd codecs && cargo build --quiet --release --locked --no-default-features --examples
	@$(PY) -m tests.bench.latency $(BENCH_ARGS)
bench-memory: build ## 10,000 viewers come and go, 500 devices with 8 channels each register
	@$(PY) -m tests.bench.memory $(BENCH_ARGS)

.PHONY: clean
clean: ## remove what was built (not .venv)
	@rm -rf $(STAMPS) dist codecs/target gateway/api/static gateway/codecs*.so console/node_modules
