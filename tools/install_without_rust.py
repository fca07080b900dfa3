"""Installs empq into .venv without the Rust extension (`make setup MATCHER=python`).

Packs a wheel that holds a path to python/, the metadata and the two commands, and lets pip install it, so that
pip can replace it by the full build later. The commands start with EMPQ_MATCHER=python unless it is set.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMMAND = """\
#!/bin/sh
EMPQ_MATCHER="${{EMPQ_MATCHER:-python}}"
export EMPQ_MATCHER
exec "$(dirname "$0")/python" -c 'import sys; sys.argv[0] = "{name}"
from {module} import {function}
sys.exit({function}())' "$@"
"""
WHEEL = "Wheel-Version: 1.0\nGenerator: empq\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def contents() -> dict[str, str]:
    """Path in the wheel -> text."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    version = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    name = f"{project['name']}-{version}"
    files = {f"{project['name']}.pth": f"{ROOT / 'python'}\n"}
    for command, target in project["scripts"].items():
        module, _, function = target.partition(":")
        text = COMMAND.format(name=command, module=module, function=function)
        files[f"{name}.data/scripts/{command}"] = text
    groups = project["entry-points"].items()
    files[f"{name}.dist-info/entry_points.txt"] = "\n".join(
        f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in entries.items())
        for group, entries in groups
    )
    files[f"{name}.dist-info/METADATA"] = (
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {version}\n"
        f"Requires-Python: {project['requires-python']}\n"
    )
    files[f"{name}.dist-info/WHEEL"] = WHEEL
    record = f"{name}.dist-info/RECORD"
    files[record] = "".join(f"{path},,\n" for path in [*files, record])
    return files


def main() -> None:
    files = contents()
    version = next(path for path in files if path.endswith("/WHEEL")).split(".dist-info")[0]
    wheel = ROOT / "target" / "wheels" / f"{version}-py3-none-any.whl"
    wheel.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in files.items():
            entry = zipfile.ZipInfo(path)
            entry.external_attr = (0o100755 if "/scripts/" in path else 0o100644) << 16
            archive.writestr(entry, text)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--no-deps", "--force-reinstall", str(wheel)], check=True)


if __name__ == "__main__":
    main()
