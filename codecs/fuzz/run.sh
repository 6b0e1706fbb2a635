#!/bin/bash
# Fuzz the media plane's parsers on stable Rust: run.sh [seconds per target] [target…]
# libFuzzer by way of libfuzzer-sys; coverage by LLVM's own pass, so that no nightly compiler and no cargo-fuzz is needed
# (`cargo +nightly fuzz run <target>` works in this folder as well). Needs a C++ compiler.
# Finds go to fuzz/artifacts/<target>/; keep each as corpus/<target>/crash-<what> once it is fixed.
set -euo pipefail
cd "$(dirname "$0")"
seconds=${1:-300}
shift || true
targets=("$@")
if [ ${#targets[@]} = 0 ]; then
    for f in fuzz_targets/*.rs; do targets+=("$(basename "$f" .rs)"); done
fi
host=$(rustc -vV | sed -n 's/^host: //p')
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares ${FUZZ_RUSTFLAGS:-}"
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
# --target: the flags must not reach build scripts
cargo build --quiet --release --target "$host" $(printf -- '--bin %s ' "${targets[@]}")
failed=()
for t in "${targets[@]}"; do
    work=$CARGO_TARGET_DIR/corpus/$t
    mkdir -p "$work" "artifacts/$t" "corpus/$t"
    echo "▸ $t for ${seconds}s"
    # New inputs go to the work corpus; the kept one is only read.
    "$CARGO_TARGET_DIR/$host/release/$t" "$work" "corpus/$t" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
        -max_len=16384 -artifact_prefix="artifacts/$t/" -print_final_stats=1 -verbosity=0 2>"$CARGO_TARGET_DIR/$t.log" ||
        failed+=("$t")
    grep -E 'number_of_executed_units|average_exec_per_sec|ERROR|panicked' "$CARGO_TARGET_DIR/$t.log" | sed 's/^/    /' || true
    if [ "${MINIMISE:-0}" = 1 ]; then
        rm -rf "$work.min" && mkdir -p "$work.min"
        "$CARGO_TARGET_DIR/$host/release/$t" -merge=1 -max_len=4096 -verbosity=0 "$work.min" "corpus/$t" "$work" 2>/dev/null || true
        # Small inputs first, within a bound: the kept corpus stays well under 1 MB in all.
        total=0 count=0
        ls -Sr "$work.min" | while read -r f; do
            size=$(stat -c %s "$work.min/$f")
            total=$((total + size))
            count=$((count + 1))
            [ "$total" -gt 60000 ] || [ "$count" -gt 80 ] && break
            cp "$work.min/$f" "corpus/$t/$f"
        done || true
    fi
done
if [ ${#failed[@]} -gt 0 ]; then
    echo "found something in: ${failed[*]} (artifacts/)" >&2
    exit 1
fi
