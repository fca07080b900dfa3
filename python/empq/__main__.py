"""`python -m empq` is the command `empq`."""

from __future__ import annotations

from empq.cli.main import main

main()
