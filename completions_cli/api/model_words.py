"""Where in an answer the model's own words stand, and figures about them: these are passed on unchanged."""

from collections.abc import Mapping
from typing import Any, TypeAlias

# What is known of the fields of an object, or of those in a list: None for the model's words, else a place below it.
Place: TypeAlias = Mapping[str, Any]

NOWHERE: Place = {}
ANSWER: Place = {"choices": {"text": None, "logprobs": None, "prompt_logprobs": None}}
# Of a route of the server's own, which no one is shown: scores are made of it.
DOCUMENT: Place = {"tokens": None, "completion_probabilities": None}
