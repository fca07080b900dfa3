#!/bin/sh
# Runs a command with the matcher that `make … MATCHER=` chose, unless EMPQ_MATCHER says otherwise.
set -eu
EMPQ_MATCHER=${EMPQ_MATCHER:-${MATCHER:-rust}}
export EMPQ_MATCHER
exec "$@"
