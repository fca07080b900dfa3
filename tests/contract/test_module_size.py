"""A file that no longer fits in a head is split: 400 lines at most."""

from __future__ import annotations

from source_tree import ROOT, tracked_files

LIMIT = 400
SUFFIXES = {".py", ".rs", ".lua", ".js", ".css", ".sh"}


def test_no_source_file_is_longer_than_the_limit() -> None:
    sources = [path for path in tracked_files() if path.suffix in SUFFIXES]

    found = {
        str(path.relative_to(ROOT)): lines
        for path in sources
        if "tests" not in path.relative_to(ROOT).parts
        and (lines := path.read_text().count("\n")) > LIMIT
    }

    assert len(sources) > 30
    assert not found, found
