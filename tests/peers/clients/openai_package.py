"""The openai package against the endpoint in argv[1]: what it got, as JSON."""

import json
import sys

import openai

with openai.OpenAI(
    base_url=sys.argv[1],
    api_key="k",
    max_retries=0,
    default_query={"api-version": "2024-04-01-preview"},
    default_headers={"extra-parameters": "pass-through"},
) as client:
    plain = client.completions.create(model="m", prompt="Hello", max_tokens=8, seed=1)
    chunks = client.completions.create(
        model="m", prompt="Hello", max_tokens=8, seed=1, stream=True, stream_options={"include_usage": True}
    )
    streamed = "".join(choice.text for chunk in chunks for choice in chunk.choices)
    more = client.completions.create(model="m", prompt="Hello", max_tokens=8, seed=1, logprobs=1, user="me")
    try:
        client.completions.create(model="m", prompt="Hello", temperature=9)
        refused = ""
    except openai.APIStatusError as error:
        refused = error.message

print(json.dumps({"texts": [plain.choices[0].text, streamed, more.choices[0].text], "refused": refused}))
