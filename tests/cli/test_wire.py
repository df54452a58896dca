"""What is typed is what goes on the wire, byte for byte."""

import json
import re
import shlex

import pytest

from tests.answers import ANSWER
from tests.command import Cli
from tests.scripted_server import ScriptedServer, response

# Enough for an array of two prompts.
ANSWERS = response(
    b'{"choices":[{"index":0,"text":"ok","finish_reason":"stop"},{"index":1,"text":"ok","finish_reason":"stop"}]}'
)
PATH = "/completions?api-version=2024-04-01-preview"


def sent(server: ScriptedServer) -> tuple[str, dict[str, str], bytes]:
    """Split the request the server got: request line, headers in lower case, body."""
    head, _, body = server.requests[-1].partition(b"\r\n\r\n")
    line, *rows = head.decode("latin-1").split("\r\n")
    return line, {name.lower(): value for name, value in (row.split(": ", 1) for row in rows)}, body


@pytest.mark.parametrize(
    ("args", "body"),
    [
        ([], '{"prompt":"P","max_tokens":256}'),
        (["-M", "7"], '{"prompt":"P","max_tokens":7}'),
        (["--max-tokens", "0"], '{"prompt":"P","max_tokens":0}'),
        (["--unset", "max_tokens"], '{"prompt":"P"}'),
        (["-t", "0"], '{"prompt":"P","max_tokens":256,"temperature":0}'),
        (["--temperature", "0.70"], '{"prompt":"P","max_tokens":256,"temperature":0.7}'),
        (["-P", "1"], '{"prompt":"P","max_tokens":256,"top_p":1}'),
        (["-s", "END"], '{"prompt":"P","max_tokens":256,"stop":"END"}'),
        (["-s", "a", "--stop", "b"], '{"prompt":"P","max_tokens":256,"stop":["a","b"]}'),
        (["-E", "-s", r"\n\n"], '{"prompt":"P","max_tokens":256,"stop":"\\n\\n"}'),
        (["-s", r"\n"], '{"prompt":"P","max_tokens":256,"stop":"\\\\n"}'),
        (["--seed", "42"], '{"prompt":"P","max_tokens":256,"seed":42}'),
        (["--seed", "-1"], '{"prompt":"P","max_tokens":256,"seed":-1}'),
        (["--frequency-penalty", "-1.5"], '{"prompt":"P","frequency_penalty":-1.5,"max_tokens":256}'),
        (["--presence-penalty", "2"], '{"prompt":"P","presence_penalty":2,"max_tokens":256}'),
        (["-m", "llama"], '{"model":"llama","prompt":"P","max_tokens":256}'),
        (["-x", "k=v"], '{"prompt":"P","max_tokens":256,"k":"v"}'),
        (["-x", "k=1"], '{"prompt":"P","max_tokens":256,"k":"1"}'),
        (["-x", "k:=1"], '{"prompt":"P","max_tokens":256,"k":1}'),
        (["-x", "k:=null"], '{"prompt":"P","max_tokens":256,"k":null}'),
        (["-x", 'k:={"a":[true,1e3]}'], '{"prompt":"P","max_tokens":256,"k":{"a":[true,1000.0]}}'),
        (
            ["-x", "k:=123456789012345678901234567890"],
            '{"prompt":"P","max_tokens":256,"k":123456789012345678901234567890}',
        ),
        (["-x", "a.b:=1", "-x", "a.c=x"], '{"prompt":"P","max_tokens":256,"a":{"b":1,"c":"x"}}'),
        (["-n", "2"], '{"prompt":["P","P"],"max_tokens":256}'),
        (["--suffix", "S \n"], '{"prompt":"P","max_tokens":256,"suffix":"S \\n"}'),
        (["--suffix", "S", "-n", "2"], '{"prompt":["P","P"],"max_tokens":256,"suffix":"S"}'),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_each_option_reaches_the_body_and_nothing_else_does(
    args: list[str], body: str, cli: Cli, scripted_server: ScriptedServer
) -> None:
    scripted_server.play([ANSWERS])
    result = cli.service(scripted_server.url).run("complete", "P", *args)
    line, _, got = sent(scripted_server)
    assert (result.code, line, got.decode()) == (0, f"POST {PATH} HTTP/1.1", body)


@pytest.mark.parametrize(
    ("args", "stdin", "prompt"),
    [
        (["Hello, wörld 😀"], b"", '"Hello, wörld 😀"'),
        (["  two  spaces \n"], b"", '"  two  spaces \\n"'),
        (["@file"], b"", '"@file"'),
        (["-E", r"a\tb\\n\x41é\ud83d\ude00"], b"", '"a\\tb\\\\nAé😀"'),
        ([""], b"", '""'),
        (["--", "--flag"], b"", '"--flag"'),
        (["-"], b"from stdin\n", '"from stdin"'),
        ([], b"line\r\n", '"line"'),
        ([], b"two\n\n", '"two\\n"'),
        ([], b"\xef\xbb\xbfbom", '"\ufeffbom"'),
        ([], "\u2028 \x85 \x00".encode(), '"\u2028 \x85 \\u0000"'),
        (["--keep-newline"], b"kept\n", '"kept\\n"'),
        (["--lines"], b"one\ntwo\n", '["one","two"]'),
        (["-0"], b"one\n\0two\0", '["one\\n","two"]'),
        (["--tokens", "[1,2,3]"], b"", "[1,2,3]"),
        (["--tokens", "[[1,2],[3]]"], b"", "[[1,2],[3]]"),
        (["--prompt-json", '["a","b"]'], b"", '["a","b"]'),
        (["--prompt-json", "-"], b'"a\\ud83d"', '"a\\ud83d"'),
        (["--append", "after"], b"before \n", '"before after"'),
        (["--prepend", "a", "--append", "c", "b"], b"", '"abc"'),
    ],
)
def test_prompt_bytes_are_exact(
    args: list[str], stdin: bytes, prompt: str, cli: Cli, scripted_server: ScriptedServer
) -> None:
    scripted_server.play([ANSWERS])
    result = cli.service(scripted_server.url).run("complete", *args, stdin=stdin)
    assert result.code == 0
    assert all(
        line.startswith(("note: the prompt begins", "warning: the prompt is empty"))
        for line in result.stderr.splitlines()
    )
    assert sent(scripted_server)[2].decode() == f'{{"prompt":{prompt},"max_tokens":256}}'


@pytest.mark.parametrize("command", ["complete", "stream"])
def test_a_file_is_cut_at_the_cursor_and_the_middle_printed_alone(
    command: str, cli: Cli, scripted_server: ScriptedServer
) -> None:
    scripted_server.play([ANSWER])
    result = cli.service(scripted_server.url).run(command, "-f", "-", "--cursor", "1:1", stdin="a\r\né\n".encode())
    assert (result.code, result.stdout, result.stderr) == (0, b"ok\n", "")
    _, headers, body = sent(scripted_server)
    assert (json.loads(body)["prompt"], json.loads(body)["suffix"]) == ("", "a\r\né")
    assert headers["extra-parameters"] == "pass-through"


def test_a_profile_spells_infill_as_one_prompt(cli: Cli, scripted_server: ScriptedServer) -> None:
    cli.profile(
        f'[profiles.code]\nendpoint = "{scripted_server.url}"\nauth = "none"\n'
        'infill = "<S>{suffix}<P>{prefix}{x}<M>"\n'
    )
    for args, prompt in (
        (["--suffix", "{prefix}"], "<S>{prefix}<P>{suffix}{x}<M>"),
        (["-x", "suffix="], "<S><P>{suffix}{x}<M>"),
        ([], "{suffix}"),
    ):
        scripted_server.play([ANSWER])
        assert cli.run("complete", "-p", "code", "{suffix}", *args).stdout == b"ok\n"
        _, headers, body = sent(scripted_server)
        assert json.loads(body) == {"prompt": prompt, "max_tokens": 256}
        assert "extra-parameters" not in headers
    scripted_server.play([ANSWERS])
    assert cli.run("complete", "-p", "code", "--prompt-json", '["a","b"]', "--suffix", "c").code == 0
    assert json.loads(sent(scripted_server)[2])["prompt"] == ["<S>c<P>a{x}<M>", "<S>c<P>b{x}<M>"]
    result = cli.run("complete", "-p", "code", "--tokens", "[1]", "--suffix", "c")
    assert (result.code, "not tokens" in result.stderr) == (2, True)
    scripted_server.play([ANSWER])
    assert cli.run("complete", "-p", "code", "a", "--suffix", "c", "--echo").stdout == b"aok\n"


@pytest.mark.parametrize("template", ["", "<PRE>{prefix}<MID>", "{suffix}", "{ prefix }{suffix}"])
def test_an_infill_without_both_names_is_refused(template: str, cli: Cli) -> None:
    cli.profile(f'[profiles.code]\nendpoint = "http://127.0.0.1:1"\ninfill = "{template}"\n')
    result = cli.run("complete", "-p", "code", "P")
    assert (result.code, result.stdout) == (3, b"")
    assert "infill must be a text with {prefix} and {suffix}" in result.stderr
    assert "\nhint: " in result.stderr


@pytest.mark.parametrize("prompt", ["-5 degrees", "- milk\n- eggs=2\n-", "--- title"])
def test_a_prompt_may_begin_with_a_dash(prompt: str, cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.play([ANSWER])
    result = cli.service(scripted_server.url).run("complete", "-s", "- end", prompt, "-M", "5")
    assert (result.code, result.stderr) == (0, "")
    _, _, body = scripted_server.requests[-1].partition(b"\r\n\r\n")
    assert json.loads(body) == {"prompt": prompt, "max_tokens": 5, "stop": "- end"}


def test_no_prompt_is_a_new_document_to_the_embedded_model(cli: Cli) -> None:
    result = cli.run("complete", "-p", "local", "--request", "{}", "--dry-run", "-F", "json")
    assert result.json()["body"] == {"prompt": "<|endoftext|>", "max_tokens": 256}
    assert result.json()["url"] == "http://127.0.0.1:PORT/v1/completions"


def test_the_prompt_is_utf8_whatever_the_locale(cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.play([ANSWER])
    env = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    result = cli.service(scripted_server.url).run("complete", "é 😀", "-s", "→", env=env)
    assert (result.code, result.stderr) == (0, "")
    _, _, body = scripted_server.requests[-1].partition(b"\r\n\r\n")
    assert json.loads(body) == {"prompt": "é 😀", "max_tokens": 256, "stop": "→"}


def test_a_mistyped_option_is_no_prompt(cli: Cli) -> None:
    for typed, advice in (
        (["--stp=a b"], "mean --stop?"),
        (["-5"], "Put -- before a prompt"),
        (["P", "-Zx"], "Put -- before a prompt"),
    ):
        result = cli.run("complete", *typed)
        assert (result.code, advice in result.stderr) == (2, True)


def test_files_make_an_array_and_keep_their_bytes(cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.play([ANSWERS])
    (cli.home / "a").write_bytes(b"alpha\n")
    (cli.home / "b").write_bytes("bêta".encode())
    cli.service(scripted_server.url).run("complete", "-f", str(cli.home / "a"), "-f", str(cli.home / "b"))
    assert sent(scripted_server)[2].decode() == '{"prompt":["alpha","bêta"],"max_tokens":256}'


def test_a_whole_request_is_sent_with_flags_over_its_fields(cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.play([ANSWER])
    request = '{"prompt":[[1,2]],"max_tokens":5,"temperature":0.5,"top_k":3,"stream":false,"seed":null}'
    cli.service(scripted_server.url).run("complete", "--request", request, "-t", "1")
    _, headers, body = sent(scripted_server)
    assert body.decode() == '{"prompt":[[1,2]],"max_tokens":5,"temperature":1,"top_k":3}'
    assert headers["extra-parameters"] == "pass-through"


def test_seeded_samples_are_requests_with_seeds_that_count_up(cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.play([ANSWER])
    result = cli.service(scripted_server.url).run("complete", "P", "-n", "3", "--seed", "5")
    seeds = [re.search(rb'"seed":(\d+)', request) for request in scripted_server.requests]
    assert [int(found[1]) for found in seeds if found] == [5, 6, 7]
    assert result.text == "ok\nok\nok\n"


@pytest.mark.parametrize(
    ("args", "name", "value"),
    [
        ([], "authorization", "Bearer test-key-0123456789"),
        ([], "api-key", "test-key-0123456789"),
        ([], "content-type", "application/json"),
        ([], "extra-parameters", None),
        ([], "azureml-model-deployment", None),
        (["-x", "n:=1"], "extra-parameters", "pass-through"),
        (["-x", "n:=1", "--extra-parameters", "drop"], "extra-parameters", "drop"),
        (["--extra-parameters", "ignore"], "extra-parameters", "ignore"),
        (["--extra-parameters", "error"], "extra-parameters", "error"),
        (["-d", "blue"], "azureml-model-deployment", "blue"),
        (["-H", "X-Team: one two"], "x-team", "one two"),
        (["--auth", "none"], "authorization", None),
        (["--auth", "none"], "api-key", None),
    ],
)
def test_headers(args: list[str], name: str, value: str | None, cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.play([ANSWER])
    assert cli.service(scripted_server.url).run("complete", "P", *args).code == 0
    assert sent(scripted_server)[1].get(name) == value


@pytest.mark.parametrize(
    ("endpoint", "args", "path"),
    [
        ("", [], PATH),
        ("/", [], PATH),
        ("/completions", [], PATH),
        ("/v1", [], "/v1/completions"),
        ("/chat/completions?x=1", [], "/completions?x=1&api-version=2024-04-01-preview"),
        ("/score", ["--api-version", "none"], "/completions"),
        ("/v1", ["--api-version", "2025-05-01"], "/v1/completions?api-version=2025-05-01"),
    ],
)
def test_the_path_is_made_from_what_people_paste(
    endpoint: str, args: list[str], path: str, cli: Cli, scripted_server: ScriptedServer
) -> None:
    scripted_server.play([ANSWER])
    assert cli.service(scripted_server.url + endpoint).run("complete", "P", *args).code == 0
    assert sent(scripted_server)[0] == f"POST {path} HTTP/1.1"


def test_stream_asks_for_a_stream_uncompressed(cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.play([ANSWER])
    cli.service(scripted_server.url).run("stream", "P")
    _, headers, body = sent(scripted_server)
    assert body == b'{"prompt":"P","max_tokens":256,"stream":true}'
    assert (headers["accept"], headers["accept-encoding"]) == ("text/event-stream, application/json", "identity")


def test_a_profile_gives_what_flags_do_not(cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.play([ANSWER])
    cli.env["COMPLETIONS_API_KEY"] = "test-key-0123456789"
    cli.profile(
        f"""
        default_profile = "blue"
        [profiles.blue]
        endpoint = "{scripted_server.url}"
        api_version = "none"
        deployment = "blue-1"
        [profiles.blue.params]
        temperature = 0.25
        max_tokens = 9
        [profiles.blue.extra]
        top_k = 4
        [profiles.blue.headers]
        X-Team = "blue"
        """
    )
    assert cli.run("complete", "P", "-t", "1", "--unset", "max_tokens").code == 0
    line, headers, body = sent(scripted_server)
    assert line == "POST /completions HTTP/1.1"
    assert body == b'{"prompt":"P","temperature":1,"top_k":4}'
    assert (headers["azureml-model-deployment"], headers["x-team"]) == ("blue-1", "blue")
    assert headers["extra-parameters"] == "pass-through"


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["P", "-M", "many"], 2, "--max-tokens"),
        (["P", "-t", "warm"], 2, "--temperature must be a number, not 'warm'"),
        (["P", "-P", "nan"], 2, "--top-p must be a number, not 'nan'"),
        (["P", "-t", "1e999"], 2, "--temperature must be a number"),
        (["P", "--color", "blue"], 2, "--color"),
        (["P", "--seed", "1.5"], 2, "--seed"),
        (["P", "-x", "top_k"], 2, "k=text"),
        (["P", "-x", "k:={"], 2, "not valid JSON"),
        (["P", "-x", "k:=NaN"], 2, "NaN"),
        (["P", "-x", "temperature:=1"], 2, "--temperature"),
        (["P", "-x", "a=1", "-x", "a.b=2"], 2, "not an object"),
        (["P", "-M"], 2, "hint: completions complete --help"),
        (["P", "--extra-parameters", "allow"], 2, "pass-through"),
        (["P", "--unset", "max_token"], 2, "max_tokens"),
        (["P", "-H", "no colon"], 2, "Name: value"),
        (["P", "-H", "Host: x"], 2, "Host"),
        (["P", "-H", "a b: x"], 2, "a b"),
        (["P", "-f", "x"], 2, "more than one place"),
        (["P", "--timeout", "0"], 2, "--timeout"),
        (["-f", "/nonexistent"], 2, "/nonexistent"),
        (["--tokens", '["a"]'], 2, "tokens"),
        (["--prompt-json", "{}"], 2, "in a form that"),
        (["--request", "[]"], 2, "object"),
        (["--request", '{"max_tokens":"5"}'], 2, "integer"),
        (["--request", '{"model":5}'], 2, "model"),
        (["-E", r"\q"], 2, r"PROMPT: unknown escape \q"),
        (["P", "--separator", r"\q"], 2, r"--separator: unknown escape \q"),
        (["P", "-p", "local", "--curl"], 2, "--dry-run"),
        (["P", "-p", "nowhere"], 3, "nowhere"),
        (["P", "--config", "/nonexistent.toml"], 3, "/nonexistent.toml"),
        (["P", "--endpoint", "ftp://host"], 3, "ftp"),
        (["P", "--endpoint", "https://user:pw@host"], 3, "password"),
        (["P", "--no-such-option"], 2, "--no-such-option"),
        (["P", "--cursor", "1:1"], 2, "--cursor"),
    ],
)
def test_nothing_is_sent_when_the_command_line_is_wrong(
    args: list[str], code: int, words: str, cli: Cli, scripted_server: ScriptedServer
) -> None:
    scripted_server.play([ANSWER])
    result = cli.service(scripted_server.url).run("complete", *args)
    assert result.code == code
    assert result.stderr.startswith("error: ")
    assert "\nhint: " in result.stderr
    assert words in result.stderr
    assert "pw" not in result.stderr
    assert (result.stdout, scripted_server.requests) == (b"", [])


@pytest.mark.parametrize("args", [["abc\udcff"], ["P", "--append", "\udcff"], ["P", "-s", "a\udcff"]])
def test_an_argument_that_is_not_utf8_names_its_byte(
    args: list[str], cli: Cli, scripted_server: ScriptedServer
) -> None:
    result = cli.service(scripted_server.url).run("complete", *[arg.encode("utf-8", "surrogateescape") for arg in args])
    assert (result.code, scripted_server.requests) == (2, [])
    assert "not UTF-8: byte" in result.stderr


def test_input_that_is_not_utf8_names_its_byte(cli: Cli, scripted_server: ScriptedServer) -> None:
    result = cli.service(scripted_server.url).run("complete", stdin=b"caf\xe9")
    assert (result.code, "byte 3" in result.stderr) == (2, True)


def test_stdin_is_left_alone_when_a_prompt_is_given(cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.play([ANSWER])
    result = cli.service(scripted_server.url).run("complete", "P", stdin=b"ignored")
    assert result.code == 0
    assert "--append" in result.stderr
    assert b"ignored" not in scripted_server.requests[-1]


@pytest.mark.parametrize(("extra", "warning"), [(["-t", "3"], "0 to 2"), (["-t", "1", "-P", "0.5"], "only one")])
def test_doubtful_values_are_sent_with_a_warning(
    extra: list[str], warning: str, cli: Cli, scripted_server: ScriptedServer
) -> None:
    scripted_server.play([ANSWER])
    result = cli.service(scripted_server.url).run("complete", "P", *extra)
    assert (result.code, len(scripted_server.requests)) == (0, 1)
    assert warning in result.stderr


@pytest.mark.parametrize(
    ("prompt", "file"), [("@notes.txt", "notes.txt"), ("notes.txt", "notes.txt"), ("./it's", "./it's")]
)
def test_a_prompt_that_names_a_file_is_sent_as_typed_with_a_note(
    prompt: str, file: str, cli: Cli, scripted_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted_server.play([ANSWER])
    monkeypatch.chdir(cli.home)
    (cli.home / file).write_text("words\n")
    result = cli.service(scripted_server.url).run("complete", prompt)
    assert json.loads(sent(scripted_server)[2])["prompt"] == prompt
    assert f"; -f {shlex.quote(file)} reads the file" in result.stderr


@pytest.mark.parametrize(
    ("prompt", "note"),
    [
        ("https://a.example/v1", "--endpoint URL names the server"),
        (' {"prompt": "hi"}', "--request sends it as the request"),
        ('{"model": "m"}', ""),
        ("{prompt}", ""),
        ("see https://a.example", ""),
    ],
)
def test_a_prompt_that_is_a_url_or_a_request_is_sent_as_typed_with_a_note(
    prompt: str, note: str, cli: Cli, scripted_server: ScriptedServer
) -> None:
    scripted_server.play([ANSWER])
    result = cli.service(scripted_server.url).run("complete", prompt)
    assert json.loads(sent(scripted_server)[2])["prompt"] == prompt
    assert note in result.stderr
    assert bool(note) == ("note: " in result.stderr)


def test_an_output_called_as_a_format_is_written_with_a_note(
    cli: Cli, scripted_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(cli.home)
    scripted_server.play([ANSWER])
    result = cli.service(scripted_server.url).run("complete", "P", "-o", "json")
    assert "-F json chooses the format" in result.stderr
    assert "note: " not in cli.run("complete", "P", "-o", "json", "-F", "text").stderr


@pytest.mark.parametrize("prompt", ["@notes.txt", "notes.txt", "a notes", "notes", "x" * 5000 + ".", "."])
def test_other_prompts_get_no_such_note(
    prompt: str, cli: Cli, scripted_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted_server.play([ANSWER])
    monkeypatch.chdir(cli.home)
    (cli.home / "notes").write_text("words\n")
    assert cli.service(scripted_server.url).run("complete", prompt).stderr == ""
