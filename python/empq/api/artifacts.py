"""Calls about artifacts: a worker's upload, the list, the bytes."""

from __future__ import annotations

import re

import msgspec

from empq.api.asgi import Headers
from empq.api.request import Request
from empq.api.response import Response, Stream, json_response
from empq.api.services import Services
from empq.artifacts.file_store import MOST_ARTIFACT_BYTES, Artifact, read_file
from empq.errors import InvalidField, NotFound
from empq.messages.rest import Attempt
from empq.queue.transitions import Token

DEFAULT_TYPE = "application/octet-stream"
MOST_NAME_LENGTH = 200
_RANGE = re.compile(r"bytes=(\d*)-(\d*)\Z")
_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+(;[\x20-\x7e]*)?\Z")


class UploadQuery(msgspec.Struct, forbid_unknown_fields=True):
    """The uploading attempt's token."""

    worker_id: str
    attempt: Attempt
    lease: str | None = None


async def upload_artifact(services: Services, request: Request) -> Response:
    """PUT /api/jobs/{job_id}/artifacts/{name}: stored only while the attempt is the current one."""
    job_id, name = request.job_id(), _name(request)
    query = request.query(UploadQuery)
    token = Token(query.worker_id, query.attempt, query.lease)
    await services.transitions.check_current(job_id, token)
    async with services.artifacts.upload(job_id, query.attempt, name, _type(request)) as upload:
        async for part in request.chunks(MOST_ARTIFACT_BYTES):
            await upload.write(part)
        await services.transitions.check_current(job_id, token)
        artifact = await upload.commit()
    return json_response(201, artifact)


async def list_artifacts(services: Services, request: Request) -> Response:
    """GET /api/jobs/{job_id}/artifacts."""
    view = await services.reader.job(request.job_id())
    return json_response(200, {"artifacts": view.artifacts})


async def download_artifact(services: Services, request: Request) -> Response:
    """GET /api/jobs/{job_id}/artifacts/{name}, with Range, If-Range and If-None-Match."""
    job_id, name = request.job_id(), request.path["name"]
    view = await services.reader.job(job_id)
    artifact: Artifact | None = next((one for one in view.artifacts if one.name == name), None)
    if artifact is None:
        raise NotFound(f"job {job_id} has no artifact {name[:80]!r}")
    size = artifact.size_bytes
    etag = f'"{artifact.sha256}"'
    headers = _headers(artifact, etag)
    if request.header(b"if-none-match") in (etag, "*"):
        return Response(304, b"", headers)
    start, end = _range(request, etag, size)
    if start >= end and size:
        return Response(416, b"", [(b"content-range", b"bytes */%d" % size)])
    path = services.artifacts.path(job_id, view.attempt, name)
    status = 200
    if (start, end) != (0, size):
        status = 206
        headers.append((b"content-range", b"bytes %d-%d/%d" % (start, end - 1, size)))
    headers.append((b"content-length", b"%d" % (end - start)))
    return Stream(status, read_file(path, start, end), headers)


def _headers(artifact: Artifact, etag: str) -> Headers:
    # A worker chooses type and bytes: without a sandbox its HTML would run with this hub's origin.
    return [
        (b"content-type", artifact.content_type.encode()),
        (b"etag", etag.encode()),
        (b"accept-ranges", b"bytes"),
        (b"x-content-type-options", b"nosniff"),
        (b"content-security-policy", b"sandbox; default-src 'none'"),
    ]


def _range(request: Request, etag: str, size: int) -> tuple[int, int]:
    """Start and end of the bytes asked for; all of them where the header is absent or not one range."""
    found = _RANGE.match(request.header(b"range") or "")
    if (
        found is None
        or found.groups() == ("", "")
        or request.header(b"if-range") not in (None, etag)
    ):
        return 0, size
    first, last = found.groups()
    if not first:
        return max(0, size - int(last)), size if int(last) else 0
    return int(first), min(size, int(last) + 1) if last else size


def _name(request: Request) -> str:
    name = request.path["name"]
    if not 1 <= len(name) <= MOST_NAME_LENGTH or not name.isprintable() or name in (".", ".."):
        raise InvalidField.at("/name", f"1 to {MOST_NAME_LENGTH} printable characters")
    return name


def _type(request: Request) -> str:
    stated = request.header(b"content-type") or DEFAULT_TYPE
    return stated if len(stated) <= MOST_NAME_LENGTH and _TYPE.match(stated) else DEFAULT_TYPE
