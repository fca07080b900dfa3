"""Pictures without a library: a PNG that depends on a key and a size."""

from __future__ import annotations

import hashlib
import struct
import zlib
from math import sin

SIGNATURE = b"\x89PNG\r\n\x1a\n"
#: The pattern is computed on a grid of at most this many cells a side and enlarged.
FINE, COARSE = 48, 12


def picture(
    width: int, height: int, key: bytes, text: dict[str, str] | None = None, grid: int = FINE
) -> bytes:
    """An RGB picture; the same arguments give the same bytes. `text` goes into tEXt chunks."""
    rows = _rows(width, height, hashlib.sha256(key).digest(), grid)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [_chunk(b"IHDR", header)]
    for keyword, value in (text or {}).items():
        data = keyword.encode("latin-1", "replace") + b"\0" + value.encode("latin-1", "replace")
        chunks.append(_chunk(b"tEXt", data))
    chunks += [_chunk(b"IDAT", zlib.compress(rows, 6)), _chunk(b"IEND", b"")]
    return SIGNATURE + b"".join(chunks)


def size(data: bytes) -> tuple[int, int]:
    """Width and height of a PNG. Raises ValueError where it is none."""
    if data[:8] != SIGNATURE or data[12:16] != b"IHDR":
        raise ValueError("not a PNG")
    width, height = struct.unpack(">II", data[16:24])
    return width, height


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _rows(width: int, height: int, digest: bytes, grid: int) -> bytes:
    columns, lines = min(grid, width), min(grid, height)
    across = [width * (n + 1) // columns - width * n // columns for n in range(columns)]
    rows: list[bytes] = []
    for line in range(lines):
        cells = (_cell(column / columns, line / lines, digest) for column in range(columns))
        row = b"\0" + b"".join(cell * count for cell, count in zip(cells, across, strict=True))
        rows.append(row * (height * (line + 1) // lines - height * line // lines))
    return b"".join(rows)


def _cell(x: float, y: float, digest: bytes) -> bytes:
    """A sum of waves per channel; the digest sets their directions and phases."""
    colour = bytearray()
    for channel in range(3):
        a, b, c, d = digest[channel * 8 : channel * 8 + 4]
        wave = sin(x * a / 16 + c / 40) + sin(y * b / 16 + d / 40) + sin((x + y) * (a ^ b) / 24)
        colour.append(int(127.5 + 42.4 * wave))
    return bytes(colour)
