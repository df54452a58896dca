"""One request answered: admitted, read, counted against the limits, put to the model, laid out."""

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator

from completions_cli.emulator import documents, sse
from completions_cli.emulator.behaviours import Behaviour, Chunks, Head
from completions_cli.emulator.call import Call, Document, Usage
from completions_cli.emulator.config import EmulatorConfig
from completions_cli.emulator.documents import Identity
from completions_cli.emulator.engines import Engine, ModelError
from completions_cli.emulator.faults.kinds import Event, Events, Target
from completions_cli.emulator.faults.plan import HEADER as FAULT_HEADER
from completions_cli.emulator.faults.plan import FaultPlan, Strikes
from completions_cli.emulator.limits import Limits
from completions_cli.emulator.log import LogEntry
from completions_cli.emulator.reply import AnyReply, RefusalError, Reply, StreamReply
from completions_cli.wall_clock import unix_time

_FAILED = sse.event({"error": {"code": "500", "message": "The model failed."}})


class Answering:
    """Makes replies of requests to the completions route."""

    def __init__(self, config: EmulatorConfig, behaviour: Behaviour, engine: Engine, plan: FaultPlan) -> None:
        self._config = config
        self._behaviour = behaviour
        self._engine = engine
        self._plan = plan
        headers = behaviour.limit_headers if config.limit_headers is None else config.limit_headers
        self._limits = Limits(config.rpm, config.tpm, headers, time.monotonic, kind=config.limit, seed=config.seed)
        self._fingerprint = f"fp_{hashlib.sha256(f'{engine.model} {config.seed}'.encode()).hexdigest()[:10]}"

    async def answer(self, head: Head, body: bytes, entry: LogEntry, strikes: Strikes) -> AnyReply:
        """Answer, or refuse in the behaviour's words; what strikes the request is added to `strikes`."""
        try:
            return await self._answer(head, body, entry, strikes)
        except RefusalError as refusal:
            return refusal.reply
        except ModelError as error:
            return self._behaviour.model_error(error.status, error.message)

    async def _answer(self, head: Head, body: bytes, entry: LogEntry, strikes: Strikes) -> AnyReply:
        if head.method != "POST":
            return self._behaviour.wrong_method(head)
        asked = head.headers.get(FAULT_HEADER)
        strikes.strikes += self._plan.draw({Target.REQUEST}, asked)
        if replaced := strikes.answer(head):
            return replaced
        self._behaviour.admit(head)
        call = self._behaviour.read(head, body)
        strikes.strikes += self._plan.draw({Target.ANSWER, Target.STREAM if call.stream else Target.DOCUMENT}, asked)
        call = strikes.call(call)
        prompt_tokens = await self._engine.prompt_tokens(call)
        estimate = prompt_tokens + call.max_tokens * len(call.prompts) * call.texts
        verdict = self._limits.admit(estimate, body)
        if verdict.wait:
            reply: AnyReply = self._behaviour.too_many(verdict.wait)
        else:
            reply = await self._admitted(call, prompt_tokens, estimate, entry, strikes)
        reply.headers |= verdict.headers
        return reply

    async def _admitted(
        self, call: Call, prompt_tokens: int, estimate: int, entry: LogEntry, strikes: Strikes
    ) -> AnyReply:
        try:
            if call.stream and not strikes.plain:
                reply: AnyReply = await self._streamed(call, prompt_tokens, estimate, strikes)
            else:
                reply = await self._whole(call, prompt_tokens, estimate, entry, strikes)
        except BaseException:
            self._limits.leave()
            raise
        reply.ended = self._limits.leave
        return reply

    async def _whole(self, call: Call, prompt_tokens: int, estimate: int, entry: LogEntry, strikes: Strikes) -> Reply:
        generations = await self._engine.complete(call)
        usage = Usage(prompt_tokens, sum(each.tokens + each.discarded for each in generations))
        self._limits.settle(estimate, usage.total_tokens)
        entry.note(usage=usage.document())
        document = self._behaviour.dress(call, documents.whole(self._identity(call), generations, usage))
        reply = Reply.of_json(200, strikes.document(document, call))
        reply.delay = self._config.latency + self._due(max(generation.tokens for generation in generations))
        return reply

    async def _streamed(self, call: Call, prompt_tokens: int, estimate: int, strikes: Strikes) -> StreamReply:
        chunks = self._behaviour.dress_stream(call, self._chunks(call, prompt_tokens, estimate))
        # A model that refuses does so before its first token: that is still an answer with a status.
        first = await anext(chunks)
        events = strikes.events(_events(first, chunks))
        return StreamReply(strikes.blocks(_encoded(events)), delay=self._config.latency)

    async def _chunks(self, call: Call, prompt_tokens: int, estimate: int) -> Chunks:
        identity = self._identity(call)
        open_choices = len(call.prompts) * call.samples
        completion_tokens = 0
        began = time.monotonic() + self._config.latency
        try:
            async for delta in self._engine.stream(call):
                if delta.step and self._config.tokens_per_second:
                    await asyncio.sleep(max(0.0, began + self._due(delta.step) - time.monotonic()))
                completion_tokens += delta.tokens
                open_choices -= delta.finish_reason is not None
                usage = None if open_choices else Usage(prompt_tokens, completion_tokens)
                yield documents.chunk(identity, delta), usage
        finally:
            self._limits.settle(estimate, prompt_tokens + completion_tokens)

    def _due(self, tokens: int) -> float:
        """Return how many seconds so many tokens of one choice take."""
        pace = self._config.tokens_per_second
        return tokens / pace if pace else 0.0

    def _identity(self, call: Call) -> Identity:
        return Identity(f"cmpl-{os.urandom(16).hex()}", call.model, int(unix_time()), self._fingerprint)


async def _events(first: Document, chunks: AsyncIterator[Document]) -> AsyncIterator[Event]:
    yield first
    try:
        async for chunk in chunks:
            yield chunk
    except ModelError:
        yield _FAILED
    yield sse.DONE


async def _encoded(events: Events) -> AsyncIterator[bytes]:
    async for event in events:
        yield event if isinstance(event, bytes) else sse.event(event)
