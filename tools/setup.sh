#!/bin/sh
# Makes .venv/ with empq and empq-worker in .venv/bin; finds nothing to do where nothing changed (`make setup`).
# PYTHON chooses the interpreter; MATCHER=python goes on without Rust. An interrupted set-up is made anew.
set -eu
cd "$(dirname "$0")/.."

readonly OLDEST_PYTHON=3.11
readonly VENV=.venv
readonly LOCK=requirements/dev.txt
# While it exists, a pip run was cut short, and nothing in .venv can be trusted.
readonly UNFINISHED=$VENV/.unfinished
readonly MATCHER="${MATCHER:-rust}"

say() { printf 'setup: %s\n' "$*"; }

stop() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

runs_python() {
    "$1" -c 'import sys; sys.exit(sys.version_info < tuple(map(int, sys.argv[1].split("."))))' \
        "$OLDEST_PYTHON" 2>/dev/null
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        runs_python "$PYTHON" || stop "PYTHON=$PYTHON is not a Python >= $OLDEST_PYTHON: name another one"
        return
    fi
    for PYTHON in python3 python3.13 python3.12 python3.11 python; do
        if runs_python "$PYTHON"; then return; fi
    done
    stop "no Python >= $OLDEST_PYTHON was found: install one (Debian, Ubuntu: apt-get install python3 python3-venv)" \
        "or name it: make setup PYTHON=/path/to/python3"
}

check_venv_module() {
    # Debian keeps both in a package of their own; `venv` alone would make a folder without pip.
    if "$PYTHON" -c 'import venv, ensurepip' 2>/dev/null; then return; fi
    version=$("$PYTHON" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    stop "$PYTHON cannot make virtual environments: install its venv package" \
        "(Debian, Ubuntu: apt-get install python$version-venv), then run make setup again"
}

check_rust() {
    oldest=$(sed -n 's/^rust-version *= *"\(.*\)"/\1/p' Cargo.toml)
    remedy="install Rust >= $oldest (rustup, or the packages rustc and cargo) or go on with the slower reference matcher: make setup MATCHER=python"
    if ! command -v cargo >/dev/null && [ -x "${CARGO_HOME:-${HOME:-}/.cargo}/bin/cargo" ]; then
        PATH="${CARGO_HOME:-${HOME:-}/.cargo}/bin:$PATH"
    fi
    command -v cargo >/dev/null || stop "Rust is missing: $remedy"
    found=$(rustc --version 2>/dev/null | cut -d' ' -f2)
    [ -n "$found" ] || stop "rustc does not run: $remedy"
    first=$(printf '%s\n%s\n' "$oldest" "$found" | sort -t. -k1,1n -k2,2n -k3,3n | head -n 1)
    [ "$first" = "$oldest" ] || stop "Rust $found is too old: $remedy"
    command -v cc >/dev/null || command -v gcc >/dev/null || command -v clang >/dev/null ||
        stop "a C compiler is missing: install one (Debian, Ubuntu: apt-get install gcc libc6-dev)"
}

packages_stamp() {
    # The folder counts: the scripts in .venv/bin name it.
    printf '%s\n' "$PWD"
    cksum "$LOCK"
}

package_stamp() {
    printf '%s\n' "$MATCHER"
    cksum pyproject.toml Cargo.toml
    if [ "$MATCHER" = rust ]; then
        find Cargo.lock rust -name target -prune -o -type f \
            \( -name '*.rs' -o -name '*.toml' -o -name Cargo.lock \) -exec cksum {} + | LC_ALL=C sort
    fi
}

is_current() { [ -f "$1" ] && [ "$(cat "$1")" = "$2" ]; }

install_packages() {
    wanted=$(packages_stamp)
    if [ ! -e "$UNFINISHED" ] && is_current "$VENV/.packages" "$wanted" && [ -x "$VENV/bin/python" ]; then
        return
    fi
    find_python
    check_venv_module
    if [ -e "$UNFINISHED" ] || ! usable_venv; then
        rm -rf "$VENV"
        mkdir "$VENV"
        : >"$UNFINISHED"
        say "making $VENV with $("$PYTHON" --version)"
        "$PYTHON" -m venv "$VENV" || stop "$PYTHON -m venv failed; its message stands above"
    fi
    : >"$UNFINISHED"
    say "installing $(grep -c == "$LOCK") packages into $VENV (about a minute the first time)"
    "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$LOCK" ||
        stop "pip could not install $LOCK; its message stands above. Run make setup again once the cause is gone"
    printf '%s\n' "$wanted" >"$VENV/.packages"
    rm "$UNFINISHED"
}

usable_venv() {
    # The first line of the stamp is the folder for which .venv was made.
    [ ! -f "$VENV/.packages" ] || [ "$(head -n 1 "$VENV/.packages")" = "$PWD" ] || return 1
    [ -x "$VENV/bin/python" ] && runs_python "$VENV/bin/python" &&
        "$VENV/bin/python" -m pip --version >/dev/null 2>&1
}

install_empq() {
    wanted=$(package_stamp)
    if is_current "$VENV/.package" "$wanted" && [ -x "$VENV/bin/empq" ] && extension_stands; then return; fi
    rm -f "$VENV/.package"
    if [ "$MATCHER" = rust ]; then
        say "building the matcher in release mode (a minute or two the first time)"
        PATH="$PWD/$VENV/bin:$PATH" MATURIN_PEP517_ARGS="--profile release --locked" \
            "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check \
            --no-deps --no-build-isolation --editable . ||
            stop "the Rust matcher did not build; its message stands above." \
                "make setup MATCHER=python goes on with the reference matcher"
    else
        "$VENV/bin/python" tools/install_without_rust.py
        say "installed with the pure-Python reference matcher (MATCHER=python): same answers, slower"
    fi
    printf '%s\n' "$wanted" >"$VENV/.package"
    say "done; now: make demo, or $VENV/bin/empq up"
}

extension_stands() {
    [ "$MATCHER" = python ] || [ -f python/empq/matching/_rust.abi3.so ]
}

case $MATCHER in
rust | python) ;;
*) stop "MATCHER=$MATCHER: expected rust or python" ;;
esac
if [ "$MATCHER" = rust ]; then check_rust; fi
install_packages
install_empq
