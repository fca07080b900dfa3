"""The slow twin of the Rust index: linear scans, written to be obviously right."""

from empq.matching.reference.index import ReferenceMatcher

__all__ = ["ReferenceMatcher"]
