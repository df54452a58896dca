"""docs/python.md and the README: their programs run as they stand, and the table is complete."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from completions_cli import ClientOptions, CompletionOptions
from tests.command import Cli
from tests.emulator_process import EmulatorProcess

KEY = "canary-0123456789"
TOP = Path(__file__).parents[2]
PAGE = (TOP / "docs" / "python.md").read_text(encoding="utf-8")
README = (TOP / "README.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"^```python\n(.*?)^```$", PAGE + README, re.MULTILINE | re.DOTALL)


def test_the_programs_run(emulator: Callable[..., EmulatorProcess], cli: Cli) -> None:
    url = emulator("--key", KEY).url
    cli.profile(f'[profiles.foundry]\nendpoint = "{url}"\n[profiles.foundry.params]\ntemperature = 0.5\n')
    env = {**cli.env, "COMPLETIONS_API_KEY": KEY, "FOUNDRY_KEY": KEY, "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    # One after another in one interpreter, each with names of its own.
    text = "\n".join(
        f"exec(compile({program!r}, 'program {number}', 'exec'), {{}})" for number, program in enumerate(PROGRAMS)
    )
    text = text.replace("https://NAME.REGION.models.ai.azure.com", url)
    done = subprocess.run(
        [sys.executable, "-c", text], check=False, env=env, capture_output=True, timeout=60, text=True
    )
    assert done.stderr == ""
    assert done.returncode == 0
    assert "Usage(prompt_tokens=4" in done.stdout
    assert len(PROGRAMS) >= 7


@pytest.mark.parametrize("options", [ClientOptions, CompletionOptions])
def test_every_argument_is_told_of(options: type) -> None:
    assert [name for name in options.__annotations__ if not re.search(rf"`{name}\b", PAGE)] == []
