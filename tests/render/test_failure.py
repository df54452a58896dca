"""Errors as two lines, one JSON object or a panel; never more, and never a way to drive the terminal."""

import json
import re
import tempfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from completions_cli.errors import (
    AuthError,
    CompletionsError,
    ContentFilterError,
    NetworkError,
    RateLimitError,
    RejectedError,
    ServiceError,
    UsageError,
)
from completions_cli.render import failure
from completions_cli.streams import Messages

FULL = RejectedError(
    "One of the parameters contain invalid values.",
    status=422,
    hint="Change logprobs.",
    code="parameter_not_supported",
    param="logprobs",
    loc=("body", "logprobs"),
    request_id="r-1",
    retry_after=1.5,
)
KEYS = ["kind", "exit_code", "status", "code", "message", "param", "loc", "request_id", "retry_after", "hint"]


def shown(error: CompletionsError, *, as_json: bool = False, is_terminal: bool = False, color: bool = False) -> str:
    with tempfile.TemporaryFile() as file:
        messages = Messages(file.fileno())
        messages.is_terminal = is_terminal
        failure.show(error, messages, as_json=as_json, color=color)
        file.seek(0)
        return file.read().decode()


def test_an_error_is_a_line_and_a_hint_is_another() -> None:
    assert shown(FULL) == (
        "error: 422 parameter_not_supported: One of the parameters contain invalid values. "
        "(at body.logprobs, request id r-1)\nhint: Change logprobs.\n"
    )
    assert shown(UsageError("no prompt", hint="Give one.")) == "error: no prompt\nhint: Give one.\n"
    assert shown(UsageError("no prompt")) == "error: no prompt\n"


def test_a_pipe_has_colours_when_they_are_wanted() -> None:
    wanted = "\x1b[1;31merror:\x1b[0m no prompt\n\x1b[1mhint:\x1b[0m Give one.\n"
    assert shown(UsageError("no prompt", hint="Give one."), color=True) == wanted
    assert json.loads(shown(UsageError("no prompt"), as_json=True, color=True))["error"]["message"] == "no prompt"


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (AuthError("m", status=401), "401: m"),
        (AuthError("m", status=401, code="401"), "401: m"),
        (AuthError("m", status=401, code="PermissionDenied"), "401 PermissionDenied: m"),
        (AuthError("PermissionDenied: m", status=401, code="PermissionDenied"), "401: PermissionDenied: m"),
        (RejectedError("m", status=400, param="stop"), "400: m (at stop)"),
        (RejectedError("m", status=400, param="stop", loc=("body", "stop", "str")), "400: m (at body.stop.str)"),
        (RateLimitError("m", status=429, request_id="r"), "429: m (request id r)"),
        (AuthError("m"), "m"),
        (AuthError("m", code="1004", request_id="r"), "1004: m (request id r)"),
        (NetworkError("m"), "m"),
    ],
)
def test_what_the_service_said_about_it_is_told(error: CompletionsError, sentence: str) -> None:
    assert shown(error) == f"error: {sentence}\n"


def test_json_has_every_key_and_null_for_what_is_absent() -> None:
    line = shown(FULL, as_json=True)
    assert line.endswith("}\n")
    found = json.loads(line)["error"]
    assert list(found) == KEYS
    assert found == {
        "kind": "rejected",
        "exit_code": 6,
        "status": 422,
        "code": "parameter_not_supported",
        "message": "One of the parameters contain invalid values.",
        "param": "logprobs",
        "loc": ["body", "logprobs"],
        "request_id": "r-1",
        "retry_after": 1.5,
        "hint": "Change logprobs.",
    }
    for error in (UsageError("m"), AuthError("m", status=401)):
        found = json.loads(shown(error, as_json=True))["error"]
        assert list(found) == KEYS
        assert {key for key, value in found.items() if value is None} >= {"code", "param", "loc", "request_id", "hint"}
    assert (found["kind"], found["exit_code"], found["status"]) == ("auth", 4, 401)
    assert json.loads(shown(NetworkError("m"), as_json=True))["error"]["status"] is None


def classes(base: type[CompletionsError]) -> list[type[CompletionsError]]:
    """Walk the tree of `errors`; what other modules derive for themselves is theirs to test."""
    own = [below for below in base.__subclasses__() if below.__module__ == base.__module__]
    return [base, *(found for below in own for found in classes(below))]


@pytest.mark.parametrize("kind", classes(CompletionsError))
@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("is_terminal", [False, True])
def test_every_error_of_the_tree_can_be_shown(
    kind: type[CompletionsError], *, as_json: bool, is_terminal: bool
) -> None:
    error = kind("what happened", status=400) if issubclass(kind, ServiceError) else kind("what happened")
    assert "what happened" in shown(error, as_json=as_json, is_terminal=is_terminal)


HOSTILE = "[/foo] [bold]x[/bold] :smile: \x1b[31m\x9b2J\u202e\x07\r\nerror: forged\n\thint: too\u2028\ud800"
INERT = r"[/foo] [bold]x[/bold] :smile: \x1b[31m\x9b2J\u202e\x07 error: forged hint: too \ud800"


def plain(panel: str) -> str:
    """Take the text out of a panel: without colours, borders and the breaks of its lines."""
    return re.sub(r"\s+", " ", re.sub(r"\x1b\[[0-9;]*m|[╭╮╰╯─│]", "", panel)).strip()


def test_a_hostile_message_stays_one_line_of_text() -> None:
    error = ContentFilterError(HOSTILE, status=400, hint=HOSTILE, code=HOSTILE, param=HOSTILE, request_id=HOSTILE)
    lines = shown(error).split("\n")
    assert len(lines) == 3
    assert lines[0].startswith("error: 400")
    assert lines[0].count(INERT) == 3
    assert lines[1] == f"hint: {INERT}"
    assert json.loads(shown(error, as_json=True))["error"]["message"] == HOSTILE
    assert shown(error, as_json=True).count("\n") == 1


@pytest.mark.parametrize("color", [False, True])
def test_markup_is_inert_in_a_panel(monkeypatch: pytest.MonkeyPatch, *, color: bool) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.delenv("NO_COLOR", raising=False)
    panel = shown(UsageError(HOSTILE, hint=HOSTILE), is_terminal=True, color=color)
    assert plain(panel).replace(" ", "") == f"error{INERT}hint:{INERT}".replace(" ", "")
    assert ("\x1b[" in panel) is color
    assert not set(panel) & set("\x9b\u202e\x07\r\u2028")
    assert max(map(len, re.sub(r"\x1b\[[0-9;]*m", "", panel).splitlines())) == 60


@pytest.mark.parametrize("columns", ["0", "1", "2", "3", "5", "10", "40", "100000", "wide", ""])
def test_a_panel_fits_any_terminal(monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    panel = shown(UsageError("漢字 " * 30, hint="h"), is_terminal=True)
    assert plain(panel).replace(" ", "").replace("error:", "error") == "error" + "漢字" * 30 + "hint:h"
    assert "╭" not in panel or max(map(len, panel.splitlines())) <= 100


@pytest.mark.parametrize("columns", [20, 40, 80, 120])
@pytest.mark.parametrize("color", [False, True])
def test_no_word_is_broken_by_a_panel(monkeypatch: pytest.MonkeyPatch, columns: int, *, color: bool) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    inside = min(columns, 100) - 4
    for longest in (inside, inside + 1):
        error = UsageError(f"{'/a-b' * 50:.{longest}} cannot be read", hint=f"Run: {'x' * longest} --with-an-option")
        text = re.sub(r"\x1b\[[0-9;]*m", "", shown(error, is_terminal=True, color=color))
        assert ("╭" in text) is (longest == inside)
        assert set(f"{error.message} {error.hint}".split()) <= set(text.split())


@given(text=st.text(st.characters(codec=None, exclude_categories=[]), min_size=1), is_terminal=st.booleans())
def test_any_text_can_be_shown(text: str, *, is_terminal: bool) -> None:
    lines = shown(UsageError(text, hint=text), is_terminal=is_terminal)
    assert is_terminal or len(lines.split("\n")) == 3 or not text.strip()
    assert json.loads(failure.to_json(UsageError(text)))["error"]["message"] == text
