"""Where the prompt comes from: one place, its bytes untouched, and stdin read only when it is that place."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from completions_cli.api import wire
from completions_cli.commands.prompt_options import PromptOptions
from completions_cli.commands.prompt_source import PromptSource
from completions_cli.errors import UsageError
from completions_cli.models import Prompt


class Stdin:
    """A standard input that counts how often it is read."""

    def __init__(self, content: bytes = b"", *, is_terminal: bool = False) -> None:
        self.content = content
        self.is_terminal = is_terminal
        self.reads = 0

    def read(self) -> bytes:
        self.reads += 1
        return self.content


def read_all(stdin: Stdin | None = None, **flags: Any) -> tuple[Prompt | None, dict[str, Any]]:
    stdin = stdin or Stdin(is_terminal=True)
    source = PromptSource(PromptOptions(**flags), stdin.read, stdin_is_terminal=stdin.is_terminal)
    found = source.read(wire.prompt_from_json)
    assert source.uses_stdin is (stdin.reads == 1)
    return found


def read(stdin: Stdin | None = None, **flags: Any) -> Prompt | None:
    prompt, rest = read_all(stdin, **flags)
    assert rest == {}
    return prompt


def refused(stdin: Stdin | None = None, **flags: Any) -> str:
    with pytest.raises(UsageError) as caught:
        read(stdin, **flags)
    assert caught.value.hint
    return caught.value.message


def arrives(prompt: Prompt | None) -> bytes:
    """Give the bytes a prompt of text has on the wire, its JSON taken off."""
    assert isinstance(prompt, str)
    decoded = json.loads(wire.encode({"prompt": prompt}))["prompt"]
    assert isinstance(decoded, str)
    return decoded.encode()


def without_newline(content: bytes) -> bytes:
    """Apply the one rule: a final LF or CRLF of stdin or a file is dropped, once."""
    for end in (b"\r\n", b"\n"):
        if content.endswith(end):
            return content[: -len(end)]
    return content


TEXTS = st.text().map(str.encode)
ENDINGS = st.sampled_from([b"", b"\n", b"\r\n", b"\n\n", b"\r\n\r\n", b"\r", b"\n\r", b" \n", b"\xe2\x80\xa8"])
CONTENTS = st.tuples(TEXTS, ENDINGS).map(b"".join)
NOTHING = (b"", b"\n", b"\r\n")
SOMETHING = CONTENTS.filter(lambda content: content not in NOTHING)


@given(content=CONTENTS)
def test_bytes_of_an_argument_arrive_unchanged(content: bytes) -> None:
    if content != b"-":
        assert arrives(read(prompt=content.decode())) == content


@given(content=SOMETHING)
def test_bytes_of_stdin_arrive_unchanged_but_for_one_final_newline(content: bytes) -> None:
    for flags in ({}, {"prompt": "-"}, {"file": ["-"]}):
        assert arrives(read(Stdin(content), **flags)) == without_newline(content)
        assert arrives(read(Stdin(content), keep_newline=True, **flags)) == content


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=SOMETHING, other=SOMETHING)
def test_bytes_of_files_arrive_unchanged_but_for_one_final_newline(
    tmp_path: Path, content: bytes, other: bytes
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_bytes(content)
    second.write_bytes(other)
    assert arrives(read(file=[str(first)])) == without_newline(content)
    assert arrives(read(file=[str(first)], keep_newline=True)) == content
    both = read(file=[str(first), str(second)])
    assert isinstance(both, list)
    assert [arrives(text) for text in both if isinstance(text, str)] == [
        without_newline(content),
        without_newline(other),
    ]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text())
def test_json_arrives_unchanged(tmp_path: Path, text: str) -> None:
    for value in (json.dumps(text), json.dumps(text, ensure_ascii=False)):
        file = tmp_path / "prompt.json"
        file.write_bytes(value.encode())
        request = f'{{"prompt":{value}}}'
        assert read(prompt_json=value) == text
        assert read(prompt_json=f"@{file}") == text
        assert read(Stdin(value.encode()), prompt_json="-") == text
        assert read(request=request) == text
        assert read(Stdin(request.encode()), request="-") == text


@given(before=st.text(), content=st.text(), after=st.text())
def test_prepend_and_append_put_nothing_between(before: str, content: str, after: str) -> None:
    if before[:1] != "@" and after[:1] != "@" and content.encode() not in NOTHING:
        wanted = before + without_newline(content.encode()).decode() + after
        assert read(Stdin(content.encode()), prepend=before, append=after) == wanted


def test_a_prompt_is_taken_literally() -> None:
    for text in ("@file", "--", "--help", "a\\n", "", " ", "-x", "~", "{}", "a\n"):
        assert read(prompt=text) == text


@pytest.mark.parametrize(
    ("content", "prompts"),
    [
        (b"a\nb\n", ["a", "b"]),
        (b"a\nb", ["a", "b"]),
        (b"a\r\nb\r\n", ["a", "b"]),
        (b"a\n\nb\n\n", ["a", "", "b", ""]),
        (b"\n\n", ["", ""]),
        (b"a\rb\n", ["a\rb"]),
        ("a\u2028b\x0bc\x85d\n".encode(), ["a\u2028b\x0bc\x85d"]),
        (b"a\x00b\n", ["a\x00b"]),
    ],
)
def test_lines_are_prompts(content: bytes, prompts: list[str]) -> None:
    assert read(Stdin(content), lines=True) == prompts


@pytest.mark.parametrize(
    ("content", "prompts"),
    [
        (b"a\0b\0", ["a", "b"]),
        (b"a\0b", ["a", "b"]),
        (b"a\n\0\nb\r\n\0", ["a\n", "\nb\r\n"]),
        (b"\0", [""]),
        (b"a\0\0", ["a", ""]),
    ],
)
def test_nul_separated_texts_are_prompts(content: bytes, prompts: list[str]) -> None:
    assert read(Stdin(content), null=True) == prompts


def test_no_lines_at_all_are_an_error() -> None:
    assert "no prompts" in refused(Stdin(b""), lines=True)
    assert "no prompts" in refused(Stdin(b""), null=True)


@pytest.mark.parametrize("nothing", NOTHING)
def test_nothing_is_no_prompt(nothing: bytes, tmp_path: Path) -> None:
    file, other = tmp_path / "empty", tmp_path / "other"
    file.write_bytes(nothing)
    other.write_text("text")
    for flags in (
        {},
        {"prompt": "-"},
        {"file": ["-"]},
        {"prompt_json": "-"},
        {"request": "-"},
        {"tokens": "-"},
        {"lines": True},
    ):
        for also in ({}, {"append": "Summary:"}, {"keep_newline": True}):
            assert "standard input is empty" in refused(Stdin(nothing), **flags, **also)
    for flags in ({"file": [str(file)]}, {"file": [str(other), str(file)]}, {"prompt_json": f"@{file}"}):
        assert f"{file} is empty" in refused(**flags)


@pytest.mark.parametrize("name", ["promt", "prompts", "Prompt", "propmt", "messages", "input", "text"])
def test_a_body_with_its_prompt_under_another_name_is_refused(name: str) -> None:
    assert repr(name) in refused(request=json.dumps({name: "hi"})) or name == "messages"
    assert read_all(request=json.dumps({name: "hi", "prompt": "x"})) == ("x", {name: "hi"})


def test_a_body_may_have_no_prompt_at_all() -> None:
    assert read_all(request='{"max_tokens": 5, "top_k": 3}') == (None, {"max_tokens": 5, "top_k": 3})


@pytest.mark.parametrize("value", ["[1,2,3]", "[[1,2],[3]]", " [0] ", f"[{10**30}]"])
def test_tokens_in_both_forms(value: str, tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text(value, encoding="utf-8")
    assert read(tokens=value) == json.loads(value)
    assert read(tokens=f"@{file}") == json.loads(value)
    assert read(Stdin(value.encode()), tokens="-") == json.loads(value)
    assert read(Stdin(value.encode()), tokens="@-") == json.loads(value)


@pytest.mark.parametrize("value", ['"a"', '["a"]', "[]", "[[]]", "[1.5]", "[-1]", "[true]", "5", "{}", "null", "x", ""])
def test_what_are_no_tokens_is_refused(value: str) -> None:
    refused(tokens=value)


@pytest.mark.parametrize("value", ['"a"', '["a","b"]', "[1,2]", "[[1],[2]]"])
def test_all_four_forms_as_json(value: str) -> None:
    assert read(prompt_json=value) == json.loads(value)


def test_half_a_surrogate_pair_in_json_stays_what_it_is() -> None:
    assert read(prompt_json=r'"a\ud83d"') == "a\ud83d"


def test_a_request_gives_its_prompt_and_the_rest(tmp_path: Path) -> None:
    body = '{"max_tokens":5,"prompt":["a"],"x":null}'
    file = tmp_path / "body.json"
    file.write_bytes(b"\xef\xbb\xbf" + body.encode())
    for stdin, value in ((None, body), (None, f"@{file}"), (Stdin(body.encode()), "-"), (Stdin(body.encode()), "@-")):
        assert read_all(stdin, request=value) == (["a"], {"max_tokens": 5, "x": None})
    assert read_all(request='{"seed":1}') == (None, {"seed": 1})
    assert read_all(request='{"prompt":null}') == (None, {})
    assert read_all(request='{"prompt":"b"}', prepend="a", append="c") == ("abc", {})


@pytest.mark.parametrize("value", ["[]", '"a"', "5", "null", "{", '{"prompt":5}', '{"prompt":[]}', '{"a":NaN}'])
def test_what_is_no_request_is_refused(value: str) -> None:
    refused(request=value)


def test_there_is_nothing_to_surround_in_a_request_without_a_prompt() -> None:
    assert "no prompt" in refused(request="{}", append="x")


SOURCES: dict[str, dict[str, Any]] = {
    "PROMPT": {"prompt": "a"},
    "--file": {"file": ["f"]},
    "--lines": {"lines": True},
    "--null": {"null": True},
    "--tokens": {"tokens": "[1]"},
    "--prompt-json": {"prompt_json": '"a"'},
    "--request": {"request": "{}"},
    "--edit": {"edit": True},
}


@pytest.mark.parametrize("first", SOURCES)
@pytest.mark.parametrize("second", SOURCES)
def test_two_sources_are_one_too_many(first: str, second: str) -> None:
    if first != second:
        stdin = Stdin(b"x")
        message = refused(stdin, **SOURCES[first], **SOURCES[second])
        assert first in message
        assert second in message
        assert stdin.reads == 0


@pytest.mark.parametrize(
    "flags",
    [
        {"file": ["-", "-"]},
        {"file": ["-"], "append": "@-"},
        {"prompt": "-", "prepend": "@-"},
        {"append": "@-"},
        {"prompt": "a", "prepend": "@-", "append": "@-"},
        {"lines": True, "append": "@-"},
        {"prompt_json": "-", "append": "@-"},
        {"request": "@-", "append": "@-"},
    ],
)
def test_stdin_cannot_be_read_twice(flags: dict[str, Any]) -> None:
    stdin = Stdin(b"x")
    assert "only once" in refused(stdin, **flags)
    assert stdin.reads == 0


@pytest.mark.parametrize("is_terminal", [False, True])
def test_stdin_is_never_read_when_the_prompt_is_elsewhere(tmp_path: Path, *, is_terminal: bool) -> None:
    file = tmp_path / "f"
    file.write_text("f", encoding="utf-8")
    for flags in (
        {"prompt": "a"},
        {"prompt": ""},
        {"file": [str(file)]},
        {"file": [str(file), str(file)]},
        {"tokens": "[1]"},
        {"prompt_json": '"a"'},
        {"request": '{"prompt":"a"}'},
        {"prompt": "a", "prepend": f"@{file}", "append": "x"},
    ):
        stdin = Stdin(b"x", is_terminal=is_terminal)
        read_all(stdin, **flags)
        assert stdin.reads == 0


def test_stdin_is_read_once_where_it_is_asked_for() -> None:
    for flags in (
        {},
        {"prompt": "-"},
        {"file": ["-"]},
        {"lines": True},
        {"null": True},
        {"prompt": "a", "append": "@-"},
        {"prompt": "a", "prepend": "@-"},
    ):
        stdin = Stdin(b"x")
        read_all(stdin, **flags)
        assert stdin.reads == 1


def test_nothing_given_at_a_terminal_is_an_error_before_anything_is_read() -> None:
    stdin = Stdin(b"x", is_terminal=True)
    assert refused(stdin) == "no prompt"
    assert stdin.reads == 0
    assert read(Stdin(b"x", is_terminal=True), prompt="-") == "x"


def test_the_editors_text_is_a_file_like_any_other() -> None:
    asked: list[str] = []

    def edit(text: str) -> str:
        asked.append(text)
        return "written\n"

    source = PromptSource(PromptOptions(edit=True, append="!"), Stdin().read, stdin_is_terminal=True, edit=edit)
    assert source.read(wire.prompt_from_json) == ("written!", {})
    assert asked == [""]


@pytest.mark.parametrize("saved", ["", "\n"])
def test_an_editor_that_saved_nothing_is_an_error(saved: str) -> None:
    source = PromptSource(PromptOptions(edit=True), read_stdin=bytes, stdin_is_terminal=True, edit=lambda _: saved)
    with pytest.raises(UsageError, match="empty"):
        source.read(wire.prompt_from_json)


def test_prepend_and_append_take_files_and_every_text_prompt(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"<file>\r\n")
    assert read(prompt="a", prepend=f"@{file}", append="\n") == "<file>a\n"
    assert read(prompt="a", prepend=f"@{file}", keep_newline=True) == "<file>\r\na"
    assert read(Stdin(b"in\n"), prompt="a", append="@-") == "ain"
    assert read(Stdin(b"a\nb\n"), lines=True, prepend="(", append=")") == ["(a)", "(b)"]
    assert read(prompt_json='["a","b"]', append="!") == ["a!", "b!"]
    assert read(prompt="a", prepend="", append="") == "a"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=SOMETHING, keeps=st.booleans())
def test_the_texts_around_every_cursor_are_the_file(tmp_path: Path, content: bytes, *, keeps: bool) -> None:
    file = tmp_path / "f"
    file.write_bytes(content)
    whole = (content if keeps else without_newline(content)).decode()
    for number, line in enumerate(whole.split("\n"), 1):
        for column in range(1, len(line) + 2):
            before, rest = read_all(file=[str(file)], cursor=f"{number}:{column}", keep_newline=keeps)
            assert isinstance(before, str)
            assert before + rest["suffix"] == whole
            assert (before.count("\n") + 1, len(before.split("\n")[-1]) + 1) == (number, column)
        assert f"{len(line)} character" in refused(
            file=[str(file)], cursor=f"{number}:{len(line) + 2}", keep_newline=keeps
        )
    lines = whole.count("\n") + 1
    assert f"{lines} line" in refused(file=[str(file)], cursor=f"{lines + 1}:1", keep_newline=keeps)


@pytest.mark.parametrize(
    ("content", "cursor", "before", "after"),
    [
        (b"ab\ncd\n", "1:1", "", "ab\ncd"),
        (b"ab\ncd\n", "2:3", "ab\ncd", ""),
        (b"ab\r\ncd\r\n", "1:4", "ab\r", "\ncd"),
        ("é😀x\u2028y".encode(), "1:3", "é😀", "x\u2028y"),
        (b"a\n\nb", "002:1", "a\n", "\nb"),
    ],
)
def test_a_cursor_cuts_a_file_in_two(content: bytes, cursor: str, before: str, after: str) -> None:
    assert read_all(Stdin(content), file=["-"], cursor=cursor) == (before, {"suffix": after})


@pytest.mark.parametrize(
    ("cursor", "words"),
    [
        ("3:1", "which has 2 lines"),
        ("0:1", "which has 2 lines"),
        ("999999999999999999:1", "which has 2 lines"),
        ("2:4", "which has 2 lines; line 2 has 2 characters"),
        ("1:0", "line 1 has 1 character"),
        ("1", "LINE:COL"),
        ("1:", "LINE:COL"),
        ("-1:1", "LINE:COL"),
        ("1:1:1", "LINE:COL"),
        ("\u0661:1", "LINE:COL"),
        ("1" * 5000 + ":1", "LINE:COL"),
        ("", "LINE:COL"),
    ],
)
def test_a_cursor_outside_the_file(cursor: str, words: str) -> None:
    assert words in refused(Stdin(b"a\ncd\n"), file=["-"], cursor=cursor)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"prompt": "P"}, "one file"),
        ({}, "one file"),
        ({"file": ["a", "b"]}, "one file"),
        ({"request": "{}"}, "one file"),
        ({"file": ["a"], "prompt": "P"}, "more than one place"),
        ({"file": ["a"], "suffix": "x"}, "--suffix"),
    ],
)
def test_a_cursor_is_in_one_file(flags: dict[str, Any], words: str) -> None:
    assert words in refused(cursor="1:1", **flags)


def test_a_suffix_comes_as_typed_or_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b" end\r\n")
    for flags, suffix in (
        ({"suffix": "\\n"}, "\\n"),
        ({"suffix": "\\n", "escapes": True}, "\n"),
        ({"suffix": ""}, ""),
        ({"suffix": f"@{file}"}, " end"),
        ({"suffix": f"@{file}", "keep_newline": True}, " end\r\n"),
    ):
        assert read_all(prompt="P", **flags) == ("P", {"suffix": suffix})
    assert read_all(Stdin(b"in\n"), prompt="P", suffix="@-") == ("P", {"suffix": "in"})
    assert read_all(request='{"prompt":"P","suffix":"old","n":2}', suffix="new") == ("P", {"suffix": "new", "n": 2})
    assert "only once" in refused(Stdin(b"in"), suffix="@-")
    assert "UTF-8" in refused(prompt="P", suffix="\udcff")


@pytest.mark.parametrize("flags", [{"tokens": "[1]"}, {"prompt_json": "[1]"}, {"request": '{"prompt":[[1]]}'}])
def test_tokens_cannot_be_surrounded(flags: dict[str, Any]) -> None:
    assert "not of tokens" in refused(append="x", **flags)


@pytest.mark.parametrize(
    ("content", "offset", "byte"),
    [
        (b"\xff", 0, "ff"),
        (b"abc\xff", 3, "ff"),
        ("é".encode() + b"\x80", 2, "80"),
        (b"a\xed\xa0\x80", 1, "ed"),
        (b"abc\xe2\x82", 3, "e2"),
        (b"\xc0\xaf", 0, "c0"),
        (b"\xff\xfea\x00", 0, "ff"),
    ],
)
def test_input_that_is_not_utf8_is_refused_with_its_offset(
    content: bytes, offset: int, byte: str, tmp_path: Path
) -> None:
    file = tmp_path / "f"
    file.write_bytes(content)
    wanted = f"is not UTF-8: byte {offset} is 0x{byte}"
    assert refused(Stdin(content)) == f"standard input {wanted}"
    assert refused(Stdin(content), lines=True) == f"standard input {wanted}"
    assert refused(file=[str(file)]) == f"{file} {wanted}"
    assert refused(prompt="a", append=f"@{file}") == f"{file} {wanted}"
    assert refused(prompt_json=f"@{file}") == f"{file} {wanted}"


@pytest.mark.parametrize(
    ("argument", "offset"), [(b"\xff", 0), (b"abc\xff", 3), ("é".encode() + b"\x80", 2), (b"a\xed\xa0\x80", 1)]
)
def test_an_argument_that_is_not_utf8_is_refused_with_its_offset(argument: bytes, offset: int) -> None:
    smuggled = argument.decode("utf-8", "surrogateescape")
    assert refused(prompt=smuggled) == f"PROMPT is not UTF-8: byte {offset}"
    assert refused(prompt="a", append=smuggled) == f"--append is not UTF-8: byte {offset}"
    assert refused(prompt_json=smuggled) == f"--prompt-json is not UTF-8: byte {offset}"


@pytest.mark.parametrize("path", ["missing/file", "~no-such-user-here/x", "a\0b"])
def test_a_file_that_cannot_be_read_is_an_error_naming_it(path: str) -> None:
    assert f"{path} cannot be read: " in refused(file=[path])
    assert "cannot be read" in refused(prompt="a", append=f"@{path}")


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "f").write_text("home", encoding="utf-8")
    assert read(file=["~/f"]) == "home"


def test_escapes_are_decoded_where_wanted() -> None:
    text, decoded = r"a\n\u00e9", "a\né"
    assert read(prompt=text, escapes=True) == decoded
    assert read(prompt=text) == text
    assert read(prompt="", prepend=text, append=text, escapes=True) == decoded * 2


@pytest.mark.parametrize("text", [r"\q", "a\\", r"\x4", r"\xg0", r"\u12", r"\ud83d", r"\ude00a", "\\\n", r"\U0001F600"])
def test_an_unknown_escape_is_refused(text: str) -> None:
    refused(prompt=text, escapes=True)


def test_escapes_are_not_looked_for_in_what_was_read(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_text(r"a\n", encoding="utf-8")
    assert read(Stdin(rb"\n"), escapes=True) == r"\n"
    assert read(file=[str(file)], escapes=True) == r"a\n"
    assert read(prompt="", append=f"@{file}", escapes=True) == r"a\n"
    assert read(prompt_json=r'"\\n"', escapes=True) == r"\n"
