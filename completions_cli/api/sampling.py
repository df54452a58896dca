"""Several completions of one prompt, on a route that has no `n`: what to send, and how to number what comes back."""

from dataclasses import replace

from completions_cli.models import Chunk, CompletionRequest, Finished, Prompt, Usage

# What the reference says an absent prompt means.
NEW_DOCUMENT = "<|endoftext|>"


def expand(request: CompletionRequest, samples: int, *, streams_arrays: bool = False) -> list[CompletionRequest]:
    """Make the requests for `samples` completions of each prompt.

    Without a seed it is one request whose prompts are repeated; with seed S it is one request a
    sample, seeded S, S+1 and so on, for equal seeds would give equal samples. `streams_arrays` is
    for llama.cpp, which counts only the first prompt of an array unless it streams.
    """
    made = _expand(request, samples)
    return [replace(item, stream=True) if streams_arrays and item.prompt_count > 1 else item for item in made]


def _expand(request: CompletionRequest, samples: int) -> list[CompletionRequest]:
    seed = request.parameters.get("seed")
    if samples == 1:
        return [request]
    if seed is not None:
        return [replace(request, parameters={**request.parameters, "seed": seed + k}) for k in range(samples)]
    return [replace(request, prompt=_repeated(request.prompt, samples))]


def reindex(chunk: Chunk, sample: int, samples: int) -> Chunk:
    """Renumber a chunk of the `sample`th of `samples` requests: the samples of a prompt stand together."""
    if samples == 1:
        return chunk
    numbers = [delta.index * samples + sample for delta in chunk.deltas]
    renumbered = [{**choice, "index": number} for choice, number in zip(chunk.choices, numbers, strict=True)]
    deltas = tuple(delta._replace(index=number) for delta, number in zip(chunk.deltas, numbers, strict=True))
    return Chunk({**chunk.raw, "choices": renumbered}, deltas)


def merge(ends: list[Finished]) -> Finished:
    """Sum up the ends of the requests that `expand` made."""
    if len(ends) == 1:
        return ends[0]
    reasons = {
        index * len(ends) + sample: reason
        for sample, end in enumerate(ends)
        for index, reason in end.finish_reasons.items()
    }
    counted = [end.usage for end in ends if end.usage is not None]
    return Finished(
        finish_reasons=reasons,
        usage=Usage.total(counted) if len(counted) == len(ends) else None,
        request_id=ends[-1].request_id,
        latency=sum(end.latency for end in ends),
        first_token=ends[0].first_token,
        attempts=max(end.attempts for end in ends),
        notes=tuple(dict.fromkeys(note for end in ends for note in end.notes)),
        ignored=tuple(dict.fromkeys(name for end in ends for name in end.ignored)),
    )


def _repeated(prompt: Prompt | None, samples: int) -> Prompt:
    prompts = [prompt if prompt is not None else NEW_DOCUMENT]
    if isinstance(prompt, list) and prompt and not isinstance(prompt[0], int):
        prompts = list(prompt)
    return [item for item in prompts for _ in range(samples)]  # type: ignore[return-value] # all alike
