"""The server as an ASGI application: `make_app(served, limits, key)` answers chats in the form of OpenAI's API.

A request is read, checked and encoded, then waits for the model's thread. All this has one deadline. If it is past, or the
client leaves, the answer is given up at the next token.
"""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager, suppress
from functools import partial
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from gcl.deployment.loaded_member import LoadedMember
from gcl.serving.gate import CHAT, HEALTH, Gate, refused
from gcl.serving.limits import Limits
from gcl.serving.messages import Conversation, read_request
from gcl.serving.model_thread import Finished, Job, ModelThread
from gcl.serving.prompts import EncodedPrompt, Prompts
from gcl.serving.refusal import Refusal

_DRAINED = 8  # times the largest body; a client that sends more may find the connection closed


def make_app(served: LoadedMember, limits: Limits, key: str | None, log: Callable[[str], None] = print) -> Gate:
    """The application; its thread lives as long as its lifespan.

    Args:
        served: the member that answers.
        limits: of a request, and of all.
        key: see `Gate`.
        log: gets a line for each request.
    """
    answers = _Answers(served, limits)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(answers.close)

    # The pages that FastAPI makes of itself load scripts from elsewhere.
    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.add_api_route(CHAT, answers.chat, methods=["POST"], response_model=None)
    app.add_api_route("/v1/models", answers.models)
    app.add_api_route(HEALTH, answers.health)
    app.add_exception_handler(Refusal, _on_refusal)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(Exception, _on_defect)
    return Gate(app, limits, key, log)


class _Answers:
    """The routes, around one member and its thread."""

    def __init__(self, served: LoadedMember, limits: Limits) -> None:
        self._served, self._limits = served, limits
        self._prompts = Prompts(served, limits)
        self._encoding = ThreadPoolExecutor(1, "encoding")
        self._thread = ModelThread(served.model, served.encoder, limits.batch)
        self._begin = int(time.time())

    def close(self) -> None:
        """End both threads."""
        self._encoding.shutdown()
        self._thread.stop()

    async def models(self) -> dict[str, Any]:
        """The served member, and the questions that it was trained to answer."""
        asked = self._served.file.asked
        own = {"questions": asked.questions, "action": asked.action, "actions": asked.actions}
        model = {"id": self._served.name, "object": "model", "created": self._begin, "owned_by": "gcl"}
        return {"object": "list", "data": [model | own]}

    async def health(self) -> Response:
        """Whether the model answers, and how many requests wait for it."""
        good = self._thread.alive
        state = {"status": "ok" if good else "the model's thread has ended; restart the server"}
        return JSONResponse(state | {"model": self._served.name, "waiting": self._thread.waiting}, 200 if good else 503)

    async def chat(self, request: Request) -> Response:
        """One answer, whole or in pieces."""
        deadline = asyncio.get_running_loop().time() + self._limits.seconds
        try:
            async with asyncio.timeout_at(deadline):
                body = await _body(request, self._limits.body)
        except TimeoutError:
            raise Refusal(408, f"the body did not arrive in {self._limits.seconds:g} s", "timeout") from None
        asked, prompt = await self._encoded(body, deadline)
        events = self._events(request, prompt, asked.stream, deadline)
        first = await anext(events)  # an error up to here has a status of its own
        made = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": self._served.name}
        if asked.stream:
            return StreamingResponse(_pieces(first, events, made), media_type="text/event-stream")
        return JSONResponse(_whole(first, prompt, made))

    async def _encoded(self, body: bytes, deadline: float) -> tuple[Conversation, EncodedPrompt]:
        """Check and encode in a thread, since pictures take a while."""

        def encode() -> tuple[Conversation, EncodedPrompt]:
            asked = read_request(body, self._limits)
            return asked, self._prompts.make(asked)

        try:
            async with asyncio.timeout_at(deadline):
                return await asyncio.get_running_loop().run_in_executor(self._encoding, encode)
        except TimeoutError:
            raise self._late() from None

    async def _events(
        self, request: Request, prompt: EncodedPrompt, stream: bool, deadline: float
    ) -> AsyncIterator[str | Finished]:
        """Let the model answer. Yield pieces, if they are wanted, and the whole at last.

        Raises:
            Refusal: if it takes too long or fails.
        """
        loop, told = asyncio.get_running_loop(), asyncio.Queue[str | Finished | Exception]()
        tell = partial(_tell, loop, told)
        job, gone, event = Job(prompt, stream, tell), asyncio.ensure_future(_gone(request)), None
        self._thread.submit(job)
        try:
            while not isinstance(event, Finished):
                news = asyncio.ensure_future(told.get())
                left = max(deadline - loop.time(), 0)
                await asyncio.wait({news, gone}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                if not news.done():
                    news.cancel()
                    raise Refusal(499, "the client has left", "client_left") if gone.done() else self._late()
                event = news.result()
                if isinstance(event, Exception):
                    raise Refusal(500, "the model failed; the server's log says why", "internal_error")
                yield event
        finally:
            job.given_up = True
            gone.cancel()

    def _late(self) -> Refusal:
        return Refusal(
            504, f"no answer in {self._limits.seconds:g} s; ask for fewer tokens, or try again later", "timeout"
        )


def _tell(loop: asyncio.AbstractEventLoop, told: asyncio.Queue[Any], event: str | Finished | Exception) -> None:
    with suppress(RuntimeError):  # a server that ends in the middle has no loop any more
        loop.call_soon_threadsafe(told.put_nowait, event)


async def _body(request: Request, limit: int) -> bytes:
    """The body of a request.

    Raises:
        Refusal: if it is larger than the limit, or not said to be JSON. A page in a browser cannot say so unasked.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    parts, size = [], 0
    try:
        async for part in request.stream():
            size += len(part)
            if size <= limit:
                parts.append(part)
            elif size > _DRAINED * limit:
                break
    except ClientDisconnect:
        raise Refusal(499, "the client has left", "client_left") from None
    if size > limit:
        message = f"a body of more than {limit} bytes; send smaller pictures, or fewer"
        raise Refusal(413, message, "body_too_large", {"Connection": "close"})
    if kind != "application/json":
        raise Refusal(415, f"content type {kind!r}; send `Content-Type: application/json`", "invalid_content_type")
    return b"".join(parts)


async def _gone(request: Request) -> None:
    """Return when the client has left."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _whole(answer: Finished, prompt: EncodedPrompt, made: dict[str, Any]) -> dict[str, Any]:
    asked = len(prompt.sample.ids)
    usage = {"prompt_tokens": asked, "completion_tokens": answer.tokens, "total_tokens": asked + answer.tokens}
    message = {"role": "assistant", "content": answer.text}
    choice = {"index": 0, "message": message, "finish_reason": _reason(answer)}
    return made | {"object": "chat.completion", "choices": [choice], "usage": usage}


async def _pieces(
    first: str | Finished, events: AsyncIterator[str | Finished], made: dict[str, Any]
) -> AsyncIterator[str]:
    """Server-sent events: the role, the answer's pieces, why it ended, and a last line."""

    def chunk(delta: dict[str, str], reason: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return f"data: {json.dumps(made | {'object': 'chat.completion.chunk', 'choices': [choice]})}\n\n"

    async with aclosing(events):
        yield chunk({"role": "assistant", "content": ""})
        event = first
        try:
            while not isinstance(event, Finished):
                yield chunk({"content": event})
                event = await anext(events)
        except Refusal as refusal:  # the status is sent already
            yield f"data: {json.dumps(refusal.body)}\n\n"
            return
        yield chunk({}, _reason(event))
        yield "data: [DONE]\n\n"


def _reason(answer: Finished) -> str:
    return "stop" if answer.ended else "length"


async def _on_refusal(_: Request, refusal: Refusal) -> Response:
    return refused(refusal)


async def _on_defect(_: Request, __: Exception) -> Response:
    """A mistake of this program. uvicorn writes the traceback to standard error."""
    return refused(Refusal(500, "the server failed; its log says why", "internal_error"))


async def _on_http_error(request: Request, error: HTTPException) -> Response:
    """An address or method that there is not."""
    message = (
        f"{request.method} {request.url.path}: {error.detail}; there are POST {CHAT}, GET /v1/models and GET {HEALTH}"
    )
    return refused(Refusal(error.status_code, message, "unknown_url"))
