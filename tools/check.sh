#!/bin/sh
# What must hold before a change is looked at (`make check`); stops at the first thing that does not.
set -eu
cd "$(dirname "$0")/.."
bin=.venv/bin

step() {
    printf '== %s\n' "$*"
    "$@"
}

step "$bin/ruff" format --check --quiet .
step "$bin/ruff" check --quiet .
step "$bin/shellcheck" tools/*.sh .ci/run
step "$bin/python" tools/check_lua.py
step "$bin/pyright"
if [ "${MATCHER:-rust}" = rust ]; then
    # The extension is found by where it lies, the stub beside it.
    step env MYPYPATH=python "$bin/python" -m mypy.stubtest empq.matching._rust
    step cargo fmt --all --check
    PYO3_PYTHON="$PWD/$bin/python"
    export PYO3_PYTHON
    step cargo clippy --locked --quiet --workspace --all-targets -- -D warnings
else
    echo "== MATCHER=python: the stub, cargo fmt and clippy are left out"
fi
step "$bin/python" tools/generate_docs.py --check
step sh tools/with_matcher.sh "$bin/python" -m pytest tests/contract
