"""Artifacts as files: {root}/{job}/{attempt}/{object} and, beside each, its facts as JSON.

The object's name is made here, so no name that a worker chooses becomes a path. A file is whole or absent:
it is written under another name, synced, and renamed; its facts come last and make it visible.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import BinaryIO
from urllib.parse import quote, unquote, urlsplit

import msgspec

from empq.errors import InvalidField, StartRefused, StorageFull

MOST_ARTIFACT_BYTES = 2 << 30
MOST_ARTIFACTS = 1000
BLOCK = 1 << 20
FACTS = ".json"
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class Artifact(msgspec.Struct, frozen=True):
    """One stored file's facts, as the contract shows them."""

    name: str
    size_bytes: int
    sha256: str
    content_type: str
    url: str


class FileStore:
    """The artifacts of all jobs under one folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @classmethod
    def at(cls, address: str) -> FileStore:
        """The store of a file:///folder address, made where it is absent. Raises StartRefused."""
        parts = urlsplit(address)
        if parts.scheme != "file" or parts.netloc or not parts.path:
            raise StartRefused(f"artifacts = {address!r}: expected file:///folder")
        root = Path(unquote(parts.path))
        try:
            root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StartRefused(
                f"artifacts = {address!r}: cannot use it: {error.strerror}"
            ) from None
        if not os.access(root, os.W_OK | os.X_OK):
            raise StartRefused(f"artifacts = {address!r}: the folder cannot be written to")
        return cls(root)

    @asynccontextmanager
    async def upload(
        self, job_id: str, attempt: int, name: str, content_type: str
    ) -> AsyncGenerator[Upload]:
        """A file being written; nothing of it stays unless it is committed. Raises StorageFull."""
        folder = self._folder(job_id, attempt)
        if len(self.listing(job_id, attempt)) >= MOST_ARTIFACTS:
            raise InvalidField.at("/name", f"an attempt has at most {MOST_ARTIFACTS} artifacts")
        url = f"/api/jobs/{job_id}/artifacts/{quote(name, safe='')}"
        try:
            await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
            async with Upload(folder, Artifact(name, 0, "", content_type, url)) as upload:
                yield upload
        except OSError as error:
            if error.errno in FULL:
                raise StorageFull("the disk that holds the artifacts is full") from None
            raise

    def listing(self, job_id: str, attempt: int) -> list[Artifact]:
        """What this attempt has uploaded, by name."""
        if not os.access(
            f"{self._root}/{job_id}", os.F_OK
        ):  # asked at each complete, so it must cost nothing
            return []
        try:
            files = [f for f in self._folder(job_id, attempt).iterdir() if f.suffix == FACTS]
        except FileNotFoundError:
            return []
        found = [msgspec.json.decode(file.read_bytes(), type=Artifact) for file in files]
        return sorted(found, key=lambda artifact: artifact.name)

    def path(self, job_id: str, attempt: int, name: str) -> Path:
        """Where the bytes of one of an attempt's artifacts lie."""
        return self._folder(job_id, attempt) / _object(name)

    async def forget(self, job_id: str) -> None:
        """Forgets all that belongs to the job."""
        folder = self._root / job_id
        if folder.exists():
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    def _folder(self, job_id: str, attempt: int) -> Path:
        return self._root / job_id / str(attempt)


class Upload:
    """One file on its way in: written in blocks off the event loop, hashed as it passes."""

    def __init__(self, folder: Path, artifact: Artifact) -> None:
        self._folder, self._artifact = folder, artifact
        self._temporary = folder / f"{secrets.token_hex(8)}.part"
        self._digest = hashlib.sha256()
        self._size = 0
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._file: BinaryIO

    async def __aenter__(self) -> Upload:
        self._file = await asyncio.to_thread(self._temporary.open, "xb")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        self._temporary.unlink(missing_ok=True)

    async def write(self, part: bytes) -> None:
        """Takes the next bytes."""
        self._pending.append(part)
        self._pending_bytes += len(part)
        if self._pending_bytes >= BLOCK:
            await asyncio.to_thread(self._flush)

    async def commit(self) -> Artifact:
        """Makes the file one of the attempt's artifacts; one of the same name gives way."""
        return await asyncio.to_thread(self._commit)

    def _flush(self) -> None:
        block = b"".join(self._pending)
        self._pending, self._pending_bytes = [], 0
        self._file.write(block)
        self._digest.update(block)
        self._size += len(block)

    def _commit(self) -> Artifact:
        self._flush()
        self._file.flush()
        os.fsync(self._file.fileno())
        artifact = msgspec.structs.replace(
            self._artifact, size_bytes=self._size, sha256=self._digest.hexdigest()
        )
        target = self._folder / _object(artifact.name)
        facts = self._temporary.with_suffix(FACTS + ".part")
        facts.write_bytes(msgspec.json.encode(artifact))
        self._temporary.replace(target)
        facts.replace(target.with_suffix(FACTS))
        return artifact


async def read_file(path: Path, start: int, end: int) -> AsyncGenerator[bytes, None]:
    """The file's bytes from start up to end, in blocks read off the event loop."""
    file = await asyncio.to_thread(path.open, "rb")
    try:
        file.seek(start)
        while start < end:
            block = await asyncio.to_thread(file.read, min(BLOCK, end - start))
            if not block:
                return
            start += len(block)
            yield block
    finally:
        file.close()


def _object(name: str) -> str:
    return f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.bin"
