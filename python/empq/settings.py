"""Every setting of a hub, once: name, type, unit, default and help.

`EMPQ_` + upper case is the environment variable, `--kebab-case` the flag. Source: contract.md, "Settings".
"""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

DEFAULT_PORT = 8000


class Settings(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What a hub is told. None = not stated: what the data says, else the default, is in force."""

    redis_url: Annotated[
        str,
        Meta(description="redis://, rediss:// or unix:// address of Redis >= 7.0 or Valkey >= 7.2"),
    ] = "redis://127.0.0.1:6379/0"
    host: Annotated[str, Meta(description="address to listen on")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="port to listen on")] = DEFAULT_PORT
    hubs: Annotated[int, Meta(ge=1, le=64, description="hub processes that share the port")] = 1
    admin_key: Annotated[str | None, Meta(description="the key that may do everything; secret")] = (
        None
    )
    no_auth: Annotated[bool, Meta(description="no key is asked for; loopback addresses only")] = (
        False
    )
    matcher: Annotated[
        Literal["rust", "python"], Meta(description="rust, or the pure-Python reference")
    ] = "rust"
    lease_seconds: Annotated[
        Annotated[float, Meta(ge=0.5, le=86_400)] | None,
        Meta(
            description="a worker unheard of for this long is lost; kept with the data (default 15)"
        ),
    ] = None
    accept_seconds: Annotated[
        Annotated[float, Meta(gt=0, le=86_400)] | None,
        Meta(
            description="accept_timeout_seconds of jobs that state none; kept with the data (default 30)"
        ),
    ] = None
    order: Annotated[
        Literal["fifo", "score", "fair"] | None,
        Meta(
            description="among jobs of equal priority: first in first out, best score, or fair share of customers; kept with the data (default fifo)"
        ),
    ] = None
    ageing_interval_ms: Annotated[
        Annotated[int, Meta(ge=0, le=31_536_000_000)] | None,
        Meta(
            description="waiting this long is worth one level of priority, 0: off; with the order fifo alone; kept with the data (default 0)"
        ),
    ] = None
    fit: Annotated[
        Literal["best_fit", "headroom"] | None,
        Meta(
            description="whether a tight or a roomy machine scores higher; kept with the data (default best_fit)"
        ),
    ] = None
    weights: Annotated[
        Annotated[str, Meta(pattern=r"^\d{1,3}(,\d{1,3}){6}$")] | None,
        Meta(
            description="seven weights of the score that sum to 100: service,hardware,load,isolation,performance,location,cost; kept with the data (default 35,25,15,10,5,5,5)"
        ),
    ] = None
    durability: Annotated[
        Literal["fast", "safe", "strict"] | None,
        Meta(
            description="when an answer says done: after the script, once a replica has it too, or once it is on disk too (default: safe where Redis has replicas, else fast)"
        ),
    ] = None
    artifacts: Annotated[
        str | None,
        Meta(
            description="where artifacts are kept: file:///folder (default: ~/.local/share/empq/artifacts)"
        ),
    ] = None
    keep_completed_seconds: Annotated[
        float, Meta(ge=0, description="how long completed jobs are kept")
    ] = 86_400
    keep_failed_seconds: Annotated[
        float, Meta(ge=0, description="how long failed, timed out and cancelled jobs are kept")
    ] = 604_800
    change_settings: Annotated[
        bool, Meta(description="write the stated settings that are kept with the data")
    ] = False
    data: Annotated[
        str | None,
        Meta(
            description="folder in which a hub notes which data set it serves, so that it refuses an emptied or foreign Redis after a restart"
        ),
    ] = None
    accept_dataset: Annotated[
        bool, Meta(description="serve the data set that is there, whatever --data has noted")
    ] = False
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="least severe log line")
    ] = "info"


DEFAULT_LEASE_SECONDS = 15.0
DEFAULT_ACCEPT_SECONDS = 30.0
DEFAULT_ORDER = "fifo"
DEFAULT_FIT = "best_fit"
DEFAULT_WEIGHTS = "35,25,15,10,5,5,5"
SECRETS = frozenset({"admin_key"})
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def without_password(url: str) -> str:
    """The address as it may be shown: the password of its user part replaced."""
    parts = urlsplit(url)
    if "@" not in parts.netloc:
        return url
    user = parts.netloc.rpartition("@")[0].partition(":")[0]
    return url.replace(parts.netloc.rpartition("@")[0], f"{user}:***", 1)
