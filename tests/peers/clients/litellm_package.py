"""litellm against the endpoint in argv[1]: what it got, as JSON."""

import json
import sys
from typing import Any

import litellm

litellm.suppress_debug_info = True


def ask(**options: Any) -> Any:
    """Ask for a completion of "Hello"."""
    return litellm.text_completion(
        model="text-completion-openai/m",
        api_base=sys.argv[1],
        api_key="k",
        prompt="Hello",
        max_tokens=8,
        seed=1,
        max_retries=0,
        extra_query={"api-version": "2024-04-01-preview"},
        extra_headers={"extra-parameters": "pass-through"},
        **options,
    )


plain = ask().choices[0].text
streamed = "".join(choice.text or "" for chunk in ask(stream=True) for choice in chunk.choices)
try:
    ask(temperature=9)
    refused = ""
except Exception as error:  # noqa: BLE001 - whichever it is, its words are shown
    refused = str(error)
print(json.dumps({"texts": [plain, streamed], "refused": refused}))
