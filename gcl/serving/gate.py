"""The way in: `Gate(app, limits, key)` asks for the key, lets so many requests in, and writes one line about each.

It counts a request until its answer's last byte, streams included. The body of a request that finds no place is not kept.
So memory is bounded by the places times the size of a body.
"""

import asyncio
import hmac
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import JSONResponse

from gcl.serving.limits import Limits
from gcl.serving.refusal import Refusal

CHAT = "/v1/chat/completions"
HEALTH = "/health"  # open to monitors, who have no key
_RETRY_SECONDS = "1"
_DRAINING_SECONDS = 5.0


class Gate:
    """An ASGI application around the server's own.

    Args:
        app: the server's own.
        limits: how many requests may be answered and wait.
        key: that clients must send as `Authorization: Bearer KEY`; None for no key.
        log: gets a line for each request.
    """

    def __init__(self, app: Any, limits: Limits, key: str | None, log: Callable[[str], None]) -> None:
        self._app, self._places, self._key, self._log = app, limits.batch + limits.queue, key, log
        self._inside = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begin, status = time.perf_counter(), 0

        async def noted(message: Any) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            if (refusal := self._refusal(scope)) is not None:
                await _drain(receive)
                await refused(refusal)(scope, receive, noted)
            else:
                await self._through(scope, receive, noted)
        finally:
            self._log(_line(scope, status, time.perf_counter() - begin))

    async def _through(self, scope: Any, receive: Any, send: Any) -> None:
        counted = scope["path"] == CHAT
        self._inside += counted
        try:
            await self._app(scope, receive, send)
        finally:
            self._inside -= counted

    def _refusal(self, scope: Any) -> Refusal | None:
        if self._key is not None and scope["path"] != HEALTH:
            given = Headers(scope=scope).get("authorization", "")
            if not hmac.compare_digest(given.encode(), f"Bearer {self._key}".encode()):
                return Refusal(401, "no valid key; send `Authorization: Bearer KEY`", "invalid_api_key")
        if scope["path"] == CHAT and self._inside >= self._places:
            message = f"{self._inside} requests are being answered or wait, which is the most; try again in a second"
            return Refusal(503, message, "queue_full", {"Retry-After": _RETRY_SECONDS})
        return None


def refused(refusal: Refusal) -> JSONResponse:
    """The response to a refused request."""
    return JSONResponse(refusal.body, refusal.status, refusal.headers)


async def _drain(receive: Any) -> None:
    """Throw a body away. A connection that is closed while its client still sends may take the response with it."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_DRAINING_SECONDS):
            while (await receive()).get("more_body", False):
                pass


def _line(scope: Any, status: int, seconds: float) -> str:
    """Time, client, request, status and seconds. The path stays escaped, so nobody can write a line of their own."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    path = scope["raw_path"].decode("ascii", errors="backslashreplace")
    client = scope["client"][0] if scope["client"] else "-"
    return f"{now} {client} {scope['method']} {path} {status or '-'} {seconds:.3f}s"
