"""Prism, fed with the API reference as OpenAPI: what we send is checked against it, and its error bodies are read."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command import Cli
from tests.peers.programs import free_port, program, running

_DESCRIPTION = Path(__file__).with_name("reference.openapi.yaml")


@contextlib.contextmanager
def _prism(folder: Path) -> Iterator[str]:
    port = free_port()
    options = ("mock", "--errors", "--host", "127.0.0.1", "--port", str(port), str(_DESCRIPTION))
    with running(folder, port, program("prism", "prism"), *options):
        yield f"http://127.0.0.1:{port}"


def test_what_is_sent_is_as_the_reference_has_it(cli: Cli, tmp_path: Path) -> None:
    every = ["-M", "8", "-P", "0.5", "-s", "x", "-s", "y", "--seed", "3"]
    every += ["--frequency-penalty", "1", "--presence-penalty", "-1", "-d", "blue"]
    with _prism(tmp_path) as url:
        cli.service(url)
        for arguments in (
            ("complete", "hi"),
            ("stream", "hi"),
            ("complete", "hi", *every, "-t", "0.5"),
            ("complete", "--tokens", "[1,2,3]"),
            ("complete", "--prompt-json", '["one"]'),
            ("complete", "--tokens", "[[1,2,3]]"),
            ("complete", "hi", "--extra-parameters", "ignore"),
        ):
            result = cli.run(*arguments, "-q")
            assert (result.code, result.text) == (0, ", indeed it is a good one.\n"), (arguments, result)
        (tmp_path / "rows.txt").write_text("one\ntwo\n", encoding="utf-8")
        assert cli.run("batch", str(tmp_path / "rows.txt"), "-o", str(tmp_path / "out")).code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("-H", "Prefer: code=400"), 7, "content_filter: The response was filtered. (at prompt)"),
        (("-H", "Prefer: code=401"), 4, "error: 401"),
        (("-H", "Prefer: code=404"), 5, "error: 404"),
        (("-H", "Prefer: code=422"), 6, "parameter_not_supported: One of the parameters contains invalid values."),
        (("-H", "Prefer: code=429"), 8, "error: 429"),
        # What breaks the description is refused, so all else above has not.
        (("-t", "9"), 6, "error: 422"),
        (("-x", "top_k:=3"), 6, "error: 422"),
        (("--api-version", "none"), 6, "error: 422"),
        (("--auth", "none"), 4, "error: 401"),
    ],
)
def test_its_refusals_are_read(arguments: tuple[str, ...], code: int, words: str, cli: Cli, tmp_path: Path) -> None:
    with _prism(tmp_path) as url:
        result = cli.service(url).run("complete", "hi", "--retries", "0", *arguments)
    assert (result.code, words in result.stderr) == (code, True), result.stderr
