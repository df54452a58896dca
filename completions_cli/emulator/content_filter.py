"""The content filter: two words that stand for what a real one would find."""

from completions_cli.emulator.call import Call

PROMPT_TRIGGER = "TRIGGER_CONTENT_FILTER"
OUTPUT_TRIGGER = "TRIGGER_FILTERED_OUTPUT"


def refuses(call: Call) -> bool:
    """Return whether a prompt of the call is one that the filter refuses."""
    return any(isinstance(prompt, str) and PROMPT_TRIGGER in prompt for prompt in call.prompts)
