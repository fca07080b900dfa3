#!/bin/sh
# The whole suite: first the Rust crate, then pytest, whose summary is the last line (`make test`).
set -eu
cd "$(dirname "$0")/.."

if [ "${MATCHER:-rust}" = rust ]; then
    # The binding has no tests of its own: pytest runs it.
    cargo test --locked --quiet --package empq-matcher
fi
exec sh tools/with_matcher.sh .venv/bin/python -m pytest "$@"
