#!/bin/sh
# Draws docs/images/demo.svg from a real run of the demo: tmux runs it, a frame is taken, rich draws it.
# Needs tmux. Usage: tools/record_demo.sh [SECONDS into the demo = 9]
set -eu
cd "$(dirname "$0")/.."
command -v tmux >/dev/null || { echo "record_demo: install tmux" >&2; exit 1; }
frame=$(mktemp)
trap 'rm -f "$frame"; tmux -L empq-demo kill-server 2>/dev/null || true' EXIT
tmux -L empq-demo new-session -d -x 100 -y 13 ".venv/bin/python -m empq.allinone.demo"
sleep "${1:-9}"
tmux -L empq-demo capture-pane -ep >"$frame"
.venv/bin/python - "$frame" docs/images/demo.svg <<'PY'
import io
import re
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

source, target = map(Path, sys.argv[1:])
console = Console(record=True, width=100, file=io.StringIO(), force_terminal=True, color_system="truecolor")
console.print(Text.from_ansi(source.read_text().rstrip()))
drawn = console.export_svg(title="make demo")
# No page outside the repository is asked for a font.
drawn = re.sub(r"@font-face\s*{.*?}", "", drawn, flags=re.DOTALL)
drawn = re.sub(r"<!--.*?-->", "", drawn, flags=re.DOTALL).replace("Fira Code", "monospace")
target.write_text("\n".join(line.rstrip() for line in drawn.splitlines()) + "\n")
PY
