"""langchain-openai's completions against the endpoint in argv[1]: what it got, as JSON."""

import asyncio
import json
import sys

from langchain_openai import OpenAI

model = OpenAI(
    base_url=sys.argv[1],
    api_key="k",
    model="m",
    max_tokens=8,
    seed=1,
    max_retries=0,
    default_query={"api-version": "2024-04-01-preview"},
    default_headers={"extra-parameters": "pass-through"},
)
texts = [
    model.invoke("Hello"),
    "".join(model.stream("Hello")),
    model.batch(["Hello"])[0],
    asyncio.run(model.ainvoke("Hello")),
]
try:
    model.bind(temperature=9).invoke("Hello")
    refused = ""
except Exception as error:  # noqa: BLE001 - whichever it is, its words are shown
    refused = str(error)
print(json.dumps({"texts": texts, "refused": refused}))
