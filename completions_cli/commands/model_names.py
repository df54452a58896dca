"""The models that an endpoint lists, for advice to whoever named one that it does not serve."""

import contextlib
import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from completions_cli.api import hints
from completions_cli.errors import CompletionsError, ServiceError
from completions_cli.models import Json
from completions_cli.settings import model_cache
from completions_cli.settings.resolve import Settings
from completions_cli.streams import visible

if TYPE_CHECKING:
    from completions_cli.client.caller import Caller

_SECONDS_TO_LIST = 3.0  # more is not worth a hint
_FEW = 4
_SIMILAR = 0.5
_LONGEST_NAME = 100  # characters


def remember(settings: Settings, ids: Sequence[str]) -> None:
    """Keep what an endpoint listed for hints and the tab key; the embedded model has no lasting address."""
    if settings.endpoint is not None and not settings.is_local:
        model_cache.write(settings.endpoint.listing.url, ids)


def advise(error: ServiceError, settings: Settings, caller: "Caller") -> None:
    """Put the nearest model into a hint to name one; the endpoint is asked for its list unless it was today."""
    if settings.endpoint is None or settings.is_local or error.hint != hints.NAME_A_MODEL:
        return
    ids = model_cache.read(settings.endpoint.listing.url)
    if not ids:
        with contextlib.suppress(CompletionsError):
            ids = tuple(caller.models(within=_SECONDS_TO_LIST).ids)
            remember(settings, ids)
    error.hint = advice(settings.values["model"], ids) or error.hint


def advice(name: Json, ids: Sequence[str]) -> str | None:
    """Return which of the models was probably meant, or which there are if they are few; None if neither helps."""
    names = [item for item in ids if len(item) <= _LONGEST_NAME]
    if not names or name in names:  # one that is listed failed for another reason
        return None
    meant = _nearest(name, names) if isinstance(name, str) else None
    if meant is not None:
        return f"Did you mean -m {visible(meant)}? `completions models` lists what the endpoint serves."
    if len(names) > _FEW:
        return None
    return f"Name a model with -m. The endpoint serves: {', '.join(map(visible, names))}."


def _nearest(name: str, names: Sequence[str]) -> str | None:
    """Return the most similar name; an owner or folder before the last slash may be missing."""
    by_key = {key: item for item in reversed(names) for key in (item.lower(), item.lower().rpartition("/")[2])}
    close = difflib.get_close_matches(name.lower(), by_key, n=1, cutoff=_SIMILAR)
    return by_key[close[0]] if close else None
