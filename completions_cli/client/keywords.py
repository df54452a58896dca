"""Keyword arguments: which there are, and what an unknown one probably means."""

import difflib
import inspect
from collections.abc import Callable, Collection, Mapping
from inspect import Parameter
from typing import Any, TypeVar, cast

_Function = TypeVar("_Function", bound=Callable[..., Any])

_DEFAULTS = {"samples": 1, "unset": ()}  # of the others: None

# What other clients call it, and what it is here.
_OF_A_CALL = {
    "n": "samples=…",
    "num_return_sequences": "samples=…",
    "max_new_tokens": "max_tokens=…",
    "max_length": "max_tokens=…",
    "max_completion_tokens": "max_tokens=…",
    "max_output_tokens": "max_tokens=…",
    "num_predict": "max_tokens=…",
    "n_predict": "max_tokens=…",
    "stop_sequences": "stop=…",
    "stop_strings": "stop=…",
    "extra_body": "extra={…}",
    "model_extras": "extra={…}",
    "engine": "model=…, or deployment=… of the client",
    "messages": "a prompt: this API completes text, it has no messages",
    "input": "the prompt, which comes first: complete('Once upon a time')",
    "text": "the prompt, which comes first: complete('Once upon a time')",
    "stream": "the method stream() in place of complete(…, stream=True)",
    "extra_headers": "headers={…} of the client",
    "max_retries": "retries=… of the client",
    "request_timeout": "timeout=… of the client",
}
_OF_A_CLIENT = {
    "base_url": "endpoint, the first argument",
    "api_base": "endpoint, the first argument",
    "azure_endpoint": "endpoint, the first argument",
    "url": "endpoint, the first argument",
    "host": "endpoint, the first argument",
    "key": "api_key=…",
    "token": "api_key=…",
    "azure_deployment": "deployment=…",
    "engine": "deployment=…, or model=…",
    "default_headers": "headers={…}",
    "extra_headers": "headers={…}",
    "max_retries": "retries=…",
    "request_timeout": "timeout=…",
    "http_client": "proxy=…, ca_bundle=… and timeout=…",
    "proxies": "proxy=…",
    "verify": "ca_bundle=…",
    "azure_ad_token_provider": "credential=…",
    "config": "Client.from_profile(name, config=…)",
    "profile": "Client.from_profile(name)",
}


def explicit(options: type) -> Callable[[_Function], _Function]:
    """Have help() and editors show the arguments that a TypedDict names, not the `**options` that takes them."""
    named = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=_DEFAULTS.get(name), annotation=kind)
        for name, kind in options.__annotations__.items()
    ]

    def shown(function: _Function) -> _Function:
        signature = inspect.signature(function)
        first = [
            parameter.replace(default=parameter.empty) if parameter.name in ("endpoint", "prompt") else parameter
            for parameter in [*signature.parameters.values()][:-1]
        ]
        function.__signature__ = signature.replace(parameters=[*first, *named])  # type: ignore[attr-defined] # as PEP 362 has it
        return function

    return shown


def refuse_of_a_call(options: Mapping[str, object], known: Collection[str], elsewhere: Collection[str]) -> None:
    """Raise TypeError for the first name that a call does not have; `elsewhere` are those of the client."""
    unknown = [name for name in options if name not in known]
    for name in unknown:  # lest a traceback with its variables shows a key that was given to a call
        del cast("dict[str, object]", options)[name]
    for name in unknown:
        if name in elsewhere and name not in _OF_A_CALL:
            advice = f": it is an argument of the client, Client(…, {name}=…)"
        else:
            advice = _advice(name, _OF_A_CALL, known) or f": what is the model's own goes into extra={{{name!r}: …}}"
        raise TypeError(f"got an unexpected keyword argument {name!r}{advice}")


def refuse_of_a_client(names: Collection[str], known: Collection[str], elsewhere: Collection[str]) -> None:
    """Raise TypeError for the first name that a client does not have; `elsewhere` are those of its calls."""
    for name in names:
        if name in known:
            continue
        if name in elsewhere:
            advice = f": it is an argument of each call, complete(prompt, {name}=…)"
        else:
            advice = _advice(name, _OF_A_CLIENT, known) or f": there are {', '.join(known)}"
        raise TypeError(f"got an unexpected keyword argument {name!r}{advice}")


def _advice(name: str, meant: Mapping[str, str], known: Collection[str]) -> str | None:
    if name in meant:
        return f": use {meant[name]}"
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.85)
    return f"; did you mean {close[0]!r}?" if close else None
