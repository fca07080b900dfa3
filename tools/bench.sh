#!/bin/sh
# The benchmarks, Rust and Python (`make bench`); with a number of rounds, just that many of each and no calibration.
set -eu
cd "$(dirname "$0")/.."
rounds=${1:-}

if [ "${MATCHER:-rust}" = rust ]; then
    if [ -n "$rounds" ]; then
        cargo bench --locked --package empq-matcher --benches -- --test
    else
        cargo bench --locked --package empq-matcher --benches
    fi
fi
if [ -n "$rounds" ]; then
    set -- --benchmark-min-rounds="$rounds" --benchmark-max-time=0.000001 --benchmark-warmup=off
else
    set --
fi
exec sh tools/with_matcher.sh .venv/bin/python -m pytest bench --benchmark-only \
    -o 'python_files=bench_*.py test_*.py' -o timeout=900 "$@"
