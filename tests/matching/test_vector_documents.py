"""The vectors that cargo runs (`rust/matcher/tests/vectors.rs`) are those that pytest runs."""

from __future__ import annotations

import importlib.util
from pathlib import Path

TOOL = Path(__file__).parents[2] / "tools" / "make_vectors.py"
REMEDY = "run .venv/bin/python tools/make_vectors.py"


def test_the_documents_are_those_of_the_cases() -> None:
    spec = importlib.util.spec_from_file_location("make_vectors", TOOL)
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)

    assert tool.DOCUMENTS.read_text(encoding="utf-8") == tool.made(), REMEDY
