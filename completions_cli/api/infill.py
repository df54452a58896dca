"""Infill: a text between a prompt and a suffix, as one prompt where a server wants its tokens spelled."""

import re
from dataclasses import replace

from completions_cli.errors import UsageError
from completions_cli.models import CompletionRequest

SUFFIX = "suffix"  # the parameter, which the API reference does not have
EXAMPLE = "<PRE>{prefix}<SUF>{suffix}<MID>"
_NAMES = re.compile(r"\{(prefix|suffix)\}")


def is_template(text: str) -> bool:
    """Return whether both names stand in a template."""
    return {"prefix", "suffix"} == set(_NAMES.findall(text))


def spelled(request: CompletionRequest, template: str | None) -> CompletionRequest:
    """Return the request with its suffix within the prompt, if it has one and there is a template.

    Raises UsageError for a prompt of tokens.
    """
    suffix = request.extra.get(SUFFIX) if template and request.extra else None
    if template is None or not isinstance(suffix, str):
        return request
    prompts = request.prompt if isinstance(request.prompt, list) else [request.prompt or ""]
    texts = [_filled(template, prompt, suffix) for prompt in prompts if isinstance(prompt, str)]
    if len(texts) != len(prompts):
        raise UsageError(
            "the profile's infill needs a text prompt, not tokens",
            hint="Put the tokens of prefix and suffix into the prompt, and leave out the suffix.",
        )
    extra = {name: value for name, value in request.extra.items() if name != SUFFIX}
    return replace(request, prompt=texts if isinstance(request.prompt, list) else texts[0], extra=extra)


def _filled(template: str, prefix: str, suffix: str) -> str:
    """Fill both names at once: a prefix may hold `{suffix}`."""
    texts = {"prefix": prefix, "suffix": suffix}
    return _NAMES.sub(lambda found: texts[found[1]], template)
