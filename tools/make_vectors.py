"""Writes tests/vectors/documents/cases.json: the cases of tests/vectors/*.json as matchers read them.

Requirements and capabilities become documents of scaled integers, so that cargo runs the cases too.
With --check nothing is written; the exit status is 1 where the file is stale.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from empq.model.capabilities import decode_capabilities
from empq.model.requirements import decode_requirements

VECTORS = Path(__file__).resolve().parent.parent / "tests" / "vectors"
DOCUMENTS = VECTORS / "documents" / "cases.json"
#: What the documents are made of; everything else is kept as it is.
TURNED = ("name", "requirements", "type", "timeout_seconds", "capabilities")


def as_documents(case: dict[str, Any], source: str) -> dict[str, Any]:
    """One case with documents in the place of what users send."""
    requirements = decode_requirements(case["requirements"])
    document = requirements.document(case.get("type", "t"), case.get("timeout_seconds"))
    return {
        "name": f"{source}: {case['name']}",
        "document": json.loads(document),
        "capabilities": json.loads(decode_capabilities(case["capabilities"]).document()),
        **{key: value for key, value in case.items() if key not in TURNED},
    }


def made() -> str:
    """The file, one case a line."""
    cases = [
        as_documents(case, path.stem)
        for path in sorted(VECTORS.glob("*.json"))
        for case in json.loads(path.read_text(encoding="utf-8"))
    ]
    lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)
    return f"[\n{lines}\n]\n"


def main() -> int:
    text = made()
    if DOCUMENTS.exists() and DOCUMENTS.read_text(encoding="utf-8") == text:
        return 0
    if "--check" in sys.argv[1:]:
        print(f"stale, {Path(__file__).name} writes it: {DOCUMENTS}", file=sys.stderr)
        return 1
    DOCUMENTS.parent.mkdir(exist_ok=True)
    DOCUMENTS.write_text(text, encoding="utf-8")
    print(f"written: {DOCUMENTS}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
