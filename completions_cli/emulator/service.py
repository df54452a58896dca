"""One exchange from the request's bytes to the answer's: behaviour, limits, engine."""

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from urllib.parse import parse_qsl

from starlette.types import Receive, Scope, Send

from completions_cli.emulator import documents, openapi, sse
from completions_cli.emulator.behaviours import Behaviour, Chunks, Head
from completions_cli.emulator.call import Call, Document, Usage
from completions_cli.emulator.channel import Channel
from completions_cli.emulator.config import EmulatorConfig
from completions_cli.emulator.documents import Identity
from completions_cli.emulator.engines import Engine
from completions_cli.emulator.faults.kinds import Event, Events, Target
from completions_cli.emulator.faults.plan import HEADER as FAULT_HEADER
from completions_cli.emulator.faults.plan import FaultPlan, Strikes
from completions_cli.emulator.limits import Limits
from completions_cli.emulator.log import Entry, RequestLog
from completions_cli.emulator.reply import RefusalError, Reply, StreamReply

Answer = Callable[[Head, bytes, Entry, Strikes], Awaitable[Reply | StreamReply]]


class Service:
    """The emulated service. Its ASGI endpoints are `completions`, `describe` and `elsewhere`."""

    def __init__(
        self, config: EmulatorConfig, behaviour: Behaviour, engine: Engine, plan: FaultPlan, log: RequestLog
    ) -> None:
        self._config = config
        self._behaviour = behaviour
        self._engine = engine
        self._log = log
        headers = behaviour.limit_headers if config.limit_headers is None else config.limit_headers
        self._limits = Limits(config.rpm, config.tpm, headers, time.monotonic)
        self._fingerprint = f"fp_{hashlib.sha256(f'{engine.model} {config.seed}'.encode()).hexdigest()[:10]}"
        self._plan = plan
        self._running: set[asyncio.Task[None]] = set()

    def stop(self) -> None:
        """End every exchange that is still open."""
        for task in self._running:
            task.cancel()

    async def completions(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the completions route."""
        await self._exchange(scope, receive, send, self._complete)

    async def describe(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the OpenAPI document."""
        await self._exchange(scope, receive, send, self._description)

    async def elsewhere(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve every path that the behaviour does not know."""
        await self._exchange(scope, receive, send, self._no_route)

    async def _exchange(self, scope: Scope, receive: Receive, send: Send, answer: Answer) -> None:
        channel = Channel(scope, receive, send)
        body = await channel.body()
        if body is None:
            return
        task = asyncio.current_task()
        if task:
            self._running.add(task)
        try:
            await self._answer(_head(scope), body, channel, answer)
        except asyncio.CancelledError:
            await channel.reset()
        finally:
            if task:
                self._running.discard(task)

    async def _answer(self, head: Head, body: bytes, channel: Channel, answer: Answer) -> None:
        entry = self._log.entry(head, body)
        strikes = Strikes()
        try:
            reply = await answer(head, body, entry, strikes)
        except RefusalError as refusal:
            reply = refusal.reply
        reply.headers |= _request_headers(head)
        reply = strikes.reply(reply)
        entry.note(status=reply.status, faults=strikes.kinds)
        entry.write()
        await strikes.send(channel, reply)

    async def _description(self, head: Head, body: bytes, entry: Entry, strikes: Strikes) -> Reply:
        if head.method not in {"GET", "HEAD"}:
            return self._behaviour.wrong_method(head)
        return Reply.of_json(200, openapi.description(self._config.behaviour, self._behaviour.paths))

    async def _no_route(self, head: Head, body: bytes, entry: Entry, strikes: Strikes) -> Reply:
        path = head.path.rstrip("/")
        if self._behaviour.redirects_slash and path in self._behaviour.paths:
            return Reply(307, b"", {"location": f"{path}?{head.query_string}".rstrip("?")})
        return self._behaviour.elsewhere(head)

    async def _complete(self, head: Head, body: bytes, entry: Entry, strikes: Strikes) -> Reply | StreamReply:
        if head.method != "POST":
            return self._behaviour.wrong_method(head)
        asked = head.headers.get(FAULT_HEADER)
        strikes.strikes += self._plan.draw({Target.REQUEST}, asked)
        if replaced := strikes.answer(head):
            return replaced
        self._behaviour.admit(head)
        call = self._behaviour.read(head, body)
        strikes.strikes += self._plan.draw({Target.ANSWER, Target.STREAM if call.stream else Target.DOCUMENT}, asked)
        prompt_tokens = await self._engine.prompt_tokens(call)
        estimate = prompt_tokens + call.max_tokens * len(call.prompts) * call.samples
        verdict = self._limits.admit(estimate)
        if verdict.wait:
            reply: Reply | StreamReply = self._behaviour.too_many(verdict.wait)
        elif call.stream and not strikes.plain:
            reply = self._streamed(call, prompt_tokens, estimate, strikes)
        else:
            reply = await self._whole(call, prompt_tokens, estimate, entry, strikes)
        reply.headers |= verdict.headers
        return reply

    async def _whole(self, call: Call, prompt_tokens: int, estimate: int, entry: Entry, strikes: Strikes) -> Reply:
        generations = await self._engine.complete(call)
        usage = Usage(prompt_tokens, sum(len(generation.pieces) for generation in generations))
        self._limits.settle(estimate, usage.total_tokens)
        entry.note(usage=usage.document())
        document = self._behaviour.dress(call, documents.whole(self._identity(call), generations, usage))
        reply = Reply.of_json(200, strikes.document(document))
        reply.delay = self._config.latency + self._due(max(len(generation.pieces) for generation in generations))
        return reply

    def _streamed(self, call: Call, prompt_tokens: int, estimate: int, strikes: Strikes) -> StreamReply:
        chunks = self._behaviour.dress_stream(call, self._chunks(call, prompt_tokens, estimate))
        events = strikes.events(_ended(chunks))
        return StreamReply(strikes.blocks(_encoded(events)), delay=self._config.latency)

    async def _chunks(self, call: Call, prompt_tokens: int, estimate: int) -> Chunks:
        identity = self._identity(call)
        open_choices = len(call.prompts) * call.samples
        completion_tokens = 0
        began = time.monotonic()
        async for delta in self._engine.stream(call):
            if self._config.tokens_per_second:
                await asyncio.sleep(max(0.0, began + self._due(delta.step) - time.monotonic()))
            completion_tokens += delta.tokens
            open_choices -= delta.finish_reason is not None
            yield documents.chunk(identity, delta), None if open_choices else Usage(prompt_tokens, completion_tokens)
        self._limits.settle(estimate, prompt_tokens + completion_tokens)

    def _due(self, tokens: int) -> float:
        """Tell how many seconds so many tokens of one choice take."""
        pace = self._config.tokens_per_second
        return tokens / pace if pace else 0.0

    def _identity(self, call: Call) -> Identity:
        return Identity(f"cmpl-{os.urandom(16).hex()}", call.model, int(time.time()), self._fingerprint)


async def _ended(chunks: AsyncIterator[Document]) -> AsyncIterator[Event]:
    async for chunk in chunks:
        yield chunk
    yield sse.DONE


async def _encoded(events: Events) -> AsyncIterator[bytes]:
    async for event in events:
        yield event if isinstance(event, bytes) else sse.event(event)


def _head(scope: Scope) -> Head:
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        known = headers.get(key := name.decode("latin-1"))
        headers[key] = value.decode("latin-1") if known is None else f"{known}, {value.decode('latin-1')}"
    query_string = scope["query_string"].decode("latin-1")
    return Head(
        method=scope["method"],
        path=scope["path"],
        query=dict(reversed(parse_qsl(query_string, keep_blank_values=True))),
        query_string=query_string,
        headers=headers,
        path_deployment=scope.get("path_params", {}).get("deployment"),
    )


def _request_headers(head: Head) -> dict[str, str]:
    headers = {"x-request-id": os.urandom(16).hex()}
    sent = head.headers.get("x-ms-client-request-id")
    return headers | {"x-ms-client-request-id": sent} if sent else headers
