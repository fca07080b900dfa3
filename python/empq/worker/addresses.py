"""The two addresses of a hub, from whatever the user wrote."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

from empq.errors import StartRefused

SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}


class HubAddress(NamedTuple):
    """Where REST and WebSocket of a hub are; without a slash at the end."""

    http: str

    @property
    def socket(self) -> str:
        """The workers' socket."""
        return f"ws{self.http.removeprefix('http')}/ws/worker"

    @classmethod
    def parse(cls, text: str, where: str) -> HubAddress:
        """From http(s)://, ws(s):// or host:port. Raises StartRefused."""
        written = text if "://" in text else f"http://{text}"
        parts = urlsplit(written)
        try:
            valid = parts.scheme in SCHEMES and bool(parts.hostname) and parts.port != 0
        except ValueError:
            valid = False
        if not valid or parts.query or parts.username:
            raise StartRefused(
                f"{where} = {text!r}: expected an address such as http://hub.example:8000"
            )
        path = parts.path.rstrip("/").removesuffix("/ws/worker")
        return cls(f"{SCHEMES[parts.scheme]}://{parts.netloc}{path}")
