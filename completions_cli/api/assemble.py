"""Chunks put together to the response object that the same request without `stream` would have had."""

from completions_cli.models import Chunk, Json, Usage


class Assembler:
    """Merges chunks: text is joined by choice index, log probabilities extended, else the last word counts.

    Fields that the reference does not know are kept.
    """

    def __init__(self) -> None:
        self._fields: dict[str, Json] = {}
        self._choices: dict[int, dict[str, Json]] = {}
        self._texts: dict[int, list[str]] = {}

    def add(self, chunk: Chunk) -> None:
        """Add the next chunk."""
        for name, value in chunk.raw.items():
            # Chunks about content filters have an empty id, model and object, and were created at 0.
            is_empty = value in (None, "") or (name == "created" and value == 0)
            if not (is_empty and name in self._fields):
                self._fields[name] = value
        for delta, raw in zip(chunk.deltas, chunk.choices, strict=True):
            self._texts.setdefault(delta.index, []).append(delta.text)
            merged = self._choices.setdefault(delta.index, {"index": delta.index, "text": "", "finish_reason": None})
            for name, value in raw.items():
                if name == "logprobs" and isinstance(value, dict):
                    _extend_logprobs(merged, value)
                elif name not in ("text", "index") and (value is not None or name not in merged):
                    merged[name] = value

    def so_far(self) -> dict[str, Json] | None:
        """Return the response object of an answer that broke off, or None if no choice had begun."""
        choices = [{**self._choices[index], "text": "".join(self._texts[index])} for index in sorted(self._choices)]
        return {**self._fields, "choices": choices} if choices else None

    def response(self, usage: Usage | None = None) -> dict[str, Json]:
        """Return the response object, choices in index order, with `usage` as it was tallied."""
        response = self.so_far() or {**self._fields, "choices": []}
        if usage is None and "usage" in response:
            response["usage"] = None
        elif usage is not None and isinstance(response.get("usage"), dict):
            counted = {name: count for name, count in usage._asdict().items() if count is not None}
            response["usage"] = {**response["usage"], **counted}
        return response


def _extend_logprobs(choice: dict[str, Json], piece: dict[str, Json]) -> None:
    merged = choice.get("logprobs")
    if not isinstance(merged, dict):
        merged = choice["logprobs"] = {}
    for name, values in piece.items():
        if isinstance(values, list):
            if not isinstance(merged.get(name), list):
                merged[name] = []
            merged[name].extend(values)
        elif values is not None or name not in merged:
            merged[name] = values
