"""llama-index's client for servers like OpenAI's against the endpoint in argv[1]: what it got, as JSON."""

import json
import sys

from llama_index.llms.openai_like import OpenAILike

model = OpenAILike(
    model="m",
    api_base=sys.argv[1],
    api_key="k",
    is_chat_model=False,
    max_tokens=8,
    temperature=0,
    max_retries=0,
    default_headers={"extra-parameters": "pass-through"},
    additional_kwargs={"seed": 1, "extra_query": {"api-version": "2024-04-01-preview"}},
)
texts = [model.complete("Hello").text, [*model.stream_complete("Hello")][-1].text]
try:
    model.complete("Hello", temperature=9)
    refused = ""
except Exception as error:  # noqa: BLE001 - whichever it is, its words are shown
    refused = str(error)
print(json.dumps({"texts": texts, "refused": refused}))
