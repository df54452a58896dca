"""The engine behind `--engine local`: a llama.cpp server, asked once for each choice.

One request a choice keeps the figures right (llama.cpp counts only the first prompt of an array) and lets it
batch the choices of all calls as they come and go.
"""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import aclosing
from typing import TypeVar, cast

from completions_cli.emulator.call import Call, Delta, Document, Generation, Prompt
from completions_cli.emulator.engines.upstream import Upstream

_Result = TypeVar("_Result")
_COMPLETIONS = "/v1/completions"
# Read by the emulator itself; the model server sees one choice at a time.
_OWN_EXTRAS = ("n", "best_of", "echo", "stream_options", "stream")


class ServedEngine:
    """Answers with a model that another process serves."""

    is_instant = False

    def __init__(self, upstream: Upstream, model: str) -> None:
        self._upstream = upstream
        self.model = model

    async def prompt_tokens(self, call: Call) -> int:
        """Count the tokens of all prompts as the model does."""
        return sum(await asyncio.gather(*(self._count(prompt) for prompt in call.prompts)))

    async def complete(self, call: Call) -> list[Generation]:
        """Answer as a whole, the choices generated side by side."""
        choices = _choices(call)
        return await _together([self._whole(call, *choice) for choice in choices])

    async def stream(self, call: Call) -> AsyncGenerator[Delta, None]:
        """Answer as the tokens come, of whichever choice."""
        queue: asyncio.Queue[Delta | None] = asyncio.Queue()

        async def pump(index: int, prompt: Prompt, seed: int | None) -> None:
            async with aclosing(self._deltas(call, index, prompt, seed)) as deltas:
                async for delta in deltas:
                    queue.put_nowait(delta)

        async def pump_all() -> None:
            try:
                await _together([pump(*choice) for choice in _choices(call)])
            finally:
                queue.put_nowait(None)

        pumping = asyncio.ensure_future(pump_all())
        try:
            while (delta := await queue.get()) is not None:
                yield delta
            await pumping
        finally:
            pumping.cancel()

    async def _count(self, prompt: Prompt) -> int:
        if isinstance(prompt, tuple):
            return len(prompt)
        found = await self._upstream.post("/tokenize", {"content": prompt, "add_special": True})
        return len(cast("list[int]", found["tokens"]))

    async def _whole(self, call: Call, index: int, prompt: Prompt, seed: int | None) -> Generation:
        preface = _preface(call, prompt)
        if not call.max_tokens:
            return Generation(index, preface, 0, "length")
        found = await self._upstream.post(_COMPLETIONS, _document(call, prompt, seed))
        choice = cast("list[Document]", found["choices"])[0]
        tokens = cast("dict[str, int]", found["usage"])["completion_tokens"]
        logprobs = cast("Document | None", choice.get("logprobs"))
        return Generation(index, preface + str(choice["text"]), tokens, str(choice["finish_reason"]), logprobs)

    async def _deltas(self, call: Call, index: int, prompt: Prompt, seed: int | None) -> AsyncGenerator[Delta, None]:
        if preface := _preface(call, prompt):
            yield Delta(index, 0, preface, 0)
        if not call.max_tokens:
            yield Delta(index, 0, "", 0, "length")
            return
        document = _document(call, prompt, seed) | {"stream": True, "stream_options": {"include_usage": True}}
        counted = 0
        async with aclosing(self._upstream.events(_COMPLETIONS, document)) as events:
            async for event in events:
                for choice in cast("list[Document]", event.get("choices") or []):
                    text, reason = str(choice["text"]), cast("str | None", choice["finish_reason"])
                    usage = cast("dict[str, int]", event.get("usage") or {})
                    # Its last event tells the exact count: some tokens have no text of their own.
                    tokens = usage.get("completion_tokens", counted) - counted if reason else 1
                    logprobs = cast("Document | None", choice.get("logprobs"))
                    yield Delta(index, counted, text, tokens, reason, logprobs)
                    counted += tokens


def _choices(call: Call) -> list[tuple[int, Prompt, int | None]]:
    """List index, prompt and seed of every choice; a prompt's further samples get the seeds that follow."""
    seen: dict[Prompt, int] = {}
    choices: list[tuple[int, Prompt, int | None]] = []
    for prompt in call.prompts:
        for _ in range(call.samples):
            sample = seen.get(prompt, 0)
            seen[prompt] = sample + 1
            choices.append((len(choices), prompt, None if call.seed is None else call.seed + sample))
    return choices


def _document(call: Call, prompt: Prompt, seed: int | None) -> Document:
    """Write the request for one choice."""
    passed = {name: value for name, value in call.extras.items() if name not in _OWN_EXTRAS}
    document: Document = {
        "prompt": list(prompt) if isinstance(prompt, tuple) else prompt,
        "max_tokens": call.max_tokens,
        "temperature": call.temperature,
        "top_p": call.top_p,
        "frequency_penalty": call.frequency_penalty,
        "presence_penalty": call.presence_penalty,
        "stop": list(call.stop),
    }
    if seed is not None:
        document["seed"] = seed % (1 << 32)  # it takes 32 bits
    return passed | document


def _preface(call: Call, prompt: Prompt) -> str:
    return prompt if call.echo and isinstance(prompt, str) else ""


async def _together(parts: Sequence[Coroutine[None, None, _Result]]) -> list[_Result]:
    """Run all side by side; when one fails or the whole is cancelled, none goes on."""
    tasks = [asyncio.ensure_future(part) for part in parts]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
