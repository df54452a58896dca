"""What a server answers is what stdout, stderr and the exit code say."""

import gzip
import json

import pytest

from tests.answers import DONE, answer, document, event
from tests.command import Cli
from tests.scripted_server import HangUp, Reset, ScriptedServer, Silence, response, stream_head

WHOLE = document("ok")
USAGE = b'"usage":{"prompt_tokens":2,"completion_tokens":3,"total_tokens":5}'


def several(*texts: str) -> bytes:
    """Make a response with these choices, listed backwards."""
    choices = [{"index": index, "text": text, "finish_reason": "stop"} for index, text in enumerate(texts)]
    return json.dumps({"id": "x", "choices": choices[::-1]}).encode()


# The text itself


@pytest.mark.parametrize(
    ("text", "args", "stdout"),
    [
        ("plain", [], b"plain\n"),
        ("ends\n", [], b"ends\n"),
        ("plain", ["-N"], b"plain"),
        ("", [], b"\n"),
        ("\x1b[31m\x07 [bold]:smile:[/foo] \u2028 \x9b", [], "\x1b[31m\x07 [bold]:smile:[/foo] \u2028 \x9b\n".encode()),
        ("long " * 100, [], b"long " * 100 + b"\n"),
        ("\r\n tab\t", [], b"\r\n tab\t\n"),
        ("\ud83d\ude00 \ud800", [], "😀 \ufffd\n".encode()),
        ("after", ["--echo"], b"Pafter\n"),
    ],
)
def test_text_comes_out_as_it_was_received(
    text: str, args: list[str], stdout: bytes, cli: Cli, scripted_server: ScriptedServer
) -> None:
    scripted_server.play([response(several(text))])
    result = cli.service(scripted_server.url).run("complete", "P", *args)
    assert (result.code, result.stdout, result.stderr) == (0, stdout, "")


@pytest.mark.parametrize(
    ("args", "stdout"),
    [
        ([], b"one\ntwo\n\nthree\n"),
        (["--separator", "--"], b"one--two\n--three\n"),
        (["--separator", r"\0", "-N"], b"one\0two\n\0three"),
        (["-F", "jsonl"], b""),
    ],
)
def test_several_choices_come_in_index_order(
    args: list[str], stdout: bytes, cli: Cli, scripted_server: ScriptedServer
) -> None:
    scripted_server.play([response(several("one", "two\n", "three"))])
    result = cli.service(scripted_server.url).run("complete", "--prompt-json", '["a","b","c"]', *args)
    if stdout:
        assert result.stdout == stdout
    else:
        lines = [json.loads(line) for line in result.stdout.splitlines()]
        assert [(line["index"], line["text"]) for line in lines] == [(0, "one"), (1, "two\n"), (2, "three")]


@pytest.mark.parametrize("command", ["complete", "stream"])
def test_a_choice_that_is_missing_is_an_error_and_the_others_are_kept(
    command: str, cli: Cli, scripted_server: ScriptedServer
) -> None:
    scripted_server.play([response(several("one"))])
    result = cli.service(scripted_server.url).run(command, "--prompt-json", '["a","b"]')
    assert (result.code, result.stdout) == (12, b"one")
    assert "only 1 of 2 choices arrived" in result.stderr


def test_json_keeps_what_the_reference_does_not_know(cli: Cli, scripted_server: ScriptedServer) -> None:
    body = b'{"id":"1","choices":[{"index":0,"text":"a","finish_reason":"stop","stop_reason":7}],"big":1234567890123456789012,"prompt_filter_results":[{"x":null}]}'
    scripted_server.play([response(body, headers=["content-type: text/plain"])])
    result = cli.service(scripted_server.url).run("complete", "P", "-F", "json")
    assert result.json() == json.loads(body)
    assert result.stdout.count(b"\n") == 1


def test_compressed_answers_are_read(cli: Cli, scripted_server: ScriptedServer) -> None:
    headers = ["content-type: application/json", "content-encoding: gzip"]
    scripted_server.play([response(gzip.compress(WHOLE), headers=headers)])
    assert cli.service(scripted_server.url).run("complete", "P").text == "ok\n"


# Streams


@pytest.mark.parametrize(
    "body",
    [
        event("a") + event("b", reason="stop") + DONE,
        event("a") + event("b", reason="stop"),
        event("a") + event("b") + DONE,
        event("a").replace(b"\n", b"\r\n") + event("b", reason="stop").replace(b"\n", b"\r") + DONE,
        b": hello\n\n" + event("a") + b"retry: 1\n\ndata: null\n\n" + event("b", reason="stop") + b"data: [DONE]",
        b'data: {"id":"","choices":[],"prompt_filter_results":[]}\n\n' + event("ab", reason="length") + DONE,
        event("ab", reason="stop") + b'data: {"choices":[],' + USAGE + b"}\n\n" + DONE + b"data: rubbish\n\n",
        document("ab"),
    ],
)
def test_streams_in_every_shape(body: bytes, cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.play([stream_head(), *[body[i : i + 1] for i in range(len(body))]])
    result = cli.service(scripted_server.url).run("stream", "P")
    assert (result.code, result.stdout, result.stderr) == (0, b"ab\n", "")


def test_done_ends_the_stream_though_the_connection_stays(cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.play([stream_head(), event("a", reason="stop"), DONE, Silence()])
    assert cli.service(scripted_server.url).run("stream", "P").text == "a\n"


def test_interleaved_choices_are_printed_one_after_the_other(cli: Cli, scripted_server: ScriptedServer) -> None:
    body = [event("b1", index=1), event("a1"), event("b2", index=1, reason="stop"), event("a2", reason="stop"), DONE]
    scripted_server.play([stream_head(), *body])
    result = cli.service(scripted_server.url).run("stream", "--prompt-json", '["x","y"]', "--echo")
    assert result.text == "xa1a2\nyb1b2\n"


def test_text_is_out_before_the_next_event_comes(cli: Cli, scripted_server: ScriptedServer) -> None:
    from tests.scripted_server import Pause

    gate = Pause()
    scripted_server.play([stream_head(), event("first"), gate, event("second", reason="stop"), DONE])
    process = cli.service(scripted_server.url).start("stream", "P")
    assert process.stdout
    assert process.stderr
    assert process.stdout.read(5) == b"first"
    gate.go.set()
    rest, _ = process.communicate(timeout=30)
    assert (rest, process.returncode) == (b"second\n", 0)


def test_a_stream_as_json_is_one_assembled_object(cli: Cli, scripted_server: ScriptedServer) -> None:
    last = b'data: {"id":"7","choices":[],' + USAGE + b"}\n\n"
    scripted_server.play([stream_head(), event("a") + event("b", reason="length") + last + DONE])
    result = cli.service(scripted_server.url).run("stream", "P", "-F", "json")
    assert result.json() == {
        "id": "7",
        "choices": [{"index": 0, "text": "ab", "finish_reason": "length"}],
        "usage": {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5},
    }


def test_what_was_streamed_before_a_cut_is_kept_as_json(cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.play([stream_head(), event("a") + event("b")])
    result = cli.service(scripted_server.url).run("stream", "P", "-F", "json")
    assert (result.code, result.error()["kind"]) == (12, "malformed")
    assert result.json()["choices"] == [{"index": 0, "text": "ab", "finish_reason": None}]


def test_a_stream_as_jsonl_is_its_chunks(cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.play([stream_head(), event("a") + event("b", reason="stop") + DONE])
    result = cli.service(scripted_server.url).run("stream", "P", "-F", "jsonl")
    assert [json.loads(line)["choices"][0]["text"] for line in result.stdout.splitlines()] == ["a", "b"]


@pytest.mark.parametrize(
    ("steps", "code", "stdout", "words"),
    [
        ([event("kept")], 12, b"kept", "ended before it was finished"),
        ([event("kept"), Reset()], 12, b"kept", "closed before the response was complete"),
        ([DONE], 12, b"", "before any text"),
        ([], 12, b"", "empty"),
        ([event("kept"), b"data: {nonsense\n\n"], 12, b"kept", "not JSON"),
        ([event("kept"), b"event: error\ndata: Error parsing it\n\n", DONE], 9, b"kept", "Error parsing it"),
        ([event("kept"), b'data: {"object":"error","message":"M","type":"BadRequestError","code":400}\n\n', DONE], 6, b"kept", "M"),
        ([event("kept") + b'data: {"error":{"message":"slow down","code":"429"}}\n\n', DONE], 8, b"kept", "slow down"),
        ([event("kept"), b'data: {"error":{"message":"E","code":"content_filter"},"choices":null}\n\n'], 7, b"kept", "E"),
    ],
)  # fmt: skip
def test_a_stream_that_fails_keeps_its_text_and_is_not_retried(
    steps: list[bytes | Reset], code: int, stdout: bytes, words: str, cli: Cli, scripted_server: ScriptedServer
) -> None:
    scripted_server.play([stream_head(), *steps])
    result = cli.service(scripted_server.url).run("stream", "P")
    assert (result.code, result.stdout) == (code, stdout)
    assert words in result.stderr
    assert len(scripted_server.requests) == 1


def test_comments_do_not_count_as_life(cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.play([stream_head(), event("kept"), *[b": ping\n\n"] * 3, Silence()])
    result = cli.service(scripted_server.url).run("stream", "P", "--timeout", "0.5")
    assert (result.code, result.stdout) == (11, b"kept")
    assert "silent for 0.5 s" in result.stderr


# Errors


@pytest.mark.parametrize(
    ("status", "headers", "body", "code", "words"),
    [
        ("401 Unauthorized", ["x-ms-error-code: unauthorized"], '{"error":"Unauthorized","message":"No.","status":401}', 4, "401 unauthorized: No."),
        ("401 Unauthorized", [], "", 4, "401: Unauthorized"),
        ("403 Forbidden", [], '{"error":{"code":"AuthenticationTypeDisabled","message":"Key based authentication is disabled for this resource."}}', 4, "--auth entra"),
        ("404 Not Found", [], '{"error":"Not Found","message":"Modality not supported","status":404}', 5, "Modality not supported"),
        ("405 Method Not Allowed", [], '{"detail":"Method Not Allowed"}', 5, "Method Not Allowed"),
        ("424 Failed Dependency", [], '{"detail":"Not Found"}', 5, "424: Not Found"),
        ("400 Bad Request", [], '{"detail":"Unexpected EXTRA_PARAMETERS option ignore, expected options are [..]"}', 6, "drop"),
        ("400 Bad Request", [], '{"object":"error","message":"Too long.","code":400}\nPlease check this guide to understand', 6, "Too long."),
        ("413 Payload Too Large", [], '{"error":{"code":"tokens_limit_reached","message":"Request body too large"}}', 6, "--max-tokens"),
        ("422 Unprocessable Entity", ["x-ms-error-code: parameter_not_supported"], '{"code":"parameter_not_supported","detail":{"loc":["body","logprobs"],"value":"5"},"error":"Unprocessable Content","message":"Invalid.","status":422}', 6, "at body.logprobs"),
        ("422 Unprocessable Entity", [], '{"detail":[{"type":"extra_forbidden","loc":["body","user"],"msg":"Extra inputs are not permitted","input":"x"}]}', 6, "user: Extra inputs are not permitted"),
        ("400 Bad Request", [], '{"error":{"message":"Filtered.","code":"content_filter","param":"prompt"}}', 7, "content filter"),
        ("404 Not Found", [], "<html><head><title>404 Not Found</title></head></html>", 5, "error: 404: Not Found"),
        ("418 Teapot", [], "short and stout\nmore", 6, "418: short and stout"),
        ("400 Bad Request", [], '"[/red]\\u001b]52;c;x\\u0007 :smile:"', 6, "[/red]\\x1b]52;c;x\\x07 :smile:"),
    ],
)  # fmt: skip
def test_each_error_has_its_exit_code_message_and_hint(
    status: str, headers: list[str], body: str, code: int, words: str, cli: Cli, scripted_server: ScriptedServer
) -> None:
    scripted_server.play([response(body.encode(), status, headers)])
    result = cli.service(scripted_server.url).run("complete", "P")
    assert (result.code, result.stdout) == (code, b"")
    first, second = result.stderr.splitlines()
    assert first.startswith("error: ")
    assert second.startswith("hint: ")
    assert words in result.stderr
    assert len(scripted_server.requests) == 1


def test_an_error_as_json_has_every_field(cli: Cli, scripted_server: ScriptedServer) -> None:
    body = b'{"code":"parameter_not_supported","detail":{"loc":["body","n"],"value":"5"},"message":"Invalid.","status":422}'
    scripted_server.play([response(body, "422 X", ["x-request-id: abc"])])
    error = cli.service(scripted_server.url).run("complete", "P", "-F", "json").error()
    assert error == {
        "kind": "rejected",
        "exit_code": 6,
        "status": 422,
        "code": "parameter_not_supported",
        "message": "Invalid. (n: given 5)",
        "param": "n",
        "loc": ["body", "n"],
        "request_id": "abc",
        "retry_after": None,
        "hint": "Change or leave out n; --dry-run shows what is sent.",
    }


def test_a_mistyped_command_line_is_json_too(cli: Cli) -> None:
    error = cli.run("complete", "P", "-F", "json", "-M", "x").error()
    assert (error["kind"], error["exit_code"], error["status"]) == ("usage", 2, None)


@pytest.mark.parametrize(
    ("steps", "code", "words"),
    [
        ([b"garbage\r\n\r\n"], 10, "HTTP"),
        ([response(b'{"choices":')], 12, "not complete JSON"),
        ([response(b'{"hello":1}')], 12, "no choices"),
        ([response(b'{"choices":[]}')], 12, "no choices"),
        ([response(b'{"choices":[{"index":0,"message":{"content":"Hi"}}]}')], 12, "a chat completion"),
        ([response(b"<html>Log in</html>")], 12, "JSON"),
        ([response(WHOLE)[:-3]], 12, "closed before"),
        ([response(WHOLE).replace(b"length: 60", b"length: 20")], 12, "not complete JSON"),
        ([response(b"\x00\xff", headers=["content-encoding: gzip"])], 12, "decompressed"),
        ([response(b"[" * 100_000)], 12, "JSON"),
        ([response(b'{"error":{"code":"429","message":"Too many"}}')], 8, "Too many"),
        ([response(b"", "302 Found", ["location: https://elsewhere.example/x"])], 10, "https://elsewhere.example/x"),
        ([Silence()], 11, "silent"),
    ],
)
def test_broken_answers_are_classified(
    steps: list[bytes], code: int, words: str, cli: Cli, scripted_server: ScriptedServer
) -> None:
    scripted_server.play(steps)
    result = cli.service(scripted_server.url).run("complete", "P", "--timeout", "1", "--retries", "0")
    assert (result.code, result.stdout) == (code, b"")
    assert words in result.stderr


def test_the_deadline_ends_what_trickles(cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.play([stream_head(), event("kept"), Silence()])
    result = cli.service(scripted_server.url).run("stream", "P", "--deadline", "0.5")
    assert (result.code, result.stdout) == (11, b"kept")
    assert "--deadline" in result.stderr


def test_the_deadline_is_that_of_all_samples_together(cli: Cli, scripted_server: ScriptedServer) -> None:
    later = [response(b"", "429 X", ["retry-after-ms: 600"])]
    scripted_server.play(later, [response(WHOLE)], later, [response(WHOLE)])
    result = cli.service(scripted_server.url).run("complete", "P", "-n", "2", "--seed", "1", "--deadline", "1")
    assert result.code in (8, 11)
    assert len(scripted_server.requests) < 4


@pytest.mark.parametrize(("status", "code"), [("429 X", 8), ("503 X", 9)])
def test_a_wait_beyond_the_deadline_is_what_the_hint_speaks_of(
    status: str, code: int, cli: Cli, scripted_server: ScriptedServer
) -> None:
    scripted_server.play([response(b"", status, ["retry-after: 60"])])
    result = cli.service(scripted_server.url).run("complete", "P", "--deadline", "30")
    assert (result.code, len(scripted_server.requests)) == (code, 1)
    assert "hint: The next attempt would begin after --deadline." in result.stderr
    assert "--retries" not in result.stderr


# Retries

RATE_LIMITED = response(
    b'{"error":{"code":"429","message":"Slow down."}}', "429 Too Many Requests", ["retry-after-ms: 1"]
)


@pytest.mark.parametrize(
    "failure",
    [
        [RATE_LIMITED],
        [response(b"", "503 Service Unavailable", ["retry-after-ms: 1"])],
        [response(b"upstream request timeout", "408 Request Timeout", ["x-ms-retry-after-ms: 1"])],
        [response(b"{}", "424 X", ["ms-azureml-model-error-statuscode: 429", "retry-after-ms: 1"])],
        [response(b'{"error":{"message":"Try again in 0 seconds."}}', "500 X")],
        [Reset()],
        [HangUp()],
    ],
)
@pytest.mark.parametrize("command", ["complete", "stream"])
def test_what_may_pass_is_tried_again(
    command: str, failure: list[bytes | Reset | HangUp], cli: Cli, scripted_server: ScriptedServer
) -> None:
    scripted_server.play(failure, [response(WHOLE)])
    result = cli.service(scripted_server.url).run(command, "P", "-u")
    assert (result.code, result.text, len(scripted_server.requests)) == (0, "ok\n", 2)
    assert "trying again in" in result.stderr
    assert "attempts=2" in result.stderr


@pytest.mark.parametrize(
    ("answer", "retries", "requests", "code"),
    [
        (RATE_LIMITED, "2", 3, 8),
        (RATE_LIMITED, "0", 1, 8),
        (response(b"", "503 X", ["retry-after-ms: 1"]), "1", 2, 9),
        (response(b"", "501 X", ["retry-after-ms: 1"]), "4", 1, 9),
        (response(b"{}", "400 X", ["retry-after-ms: 1"]), "4", 1, 6),
        (response(b"{}", "424 X", ["ms-azureml-model-error-statuscode: 400"]), "4", 1, 5),
    ],
)
def test_retries_are_counted(
    answer: bytes, retries: str, requests: int, code: int, cli: Cli, scripted_server: ScriptedServer
) -> None:
    scripted_server.play([answer])
    result = cli.service(scripted_server.url).run("complete", "P", "--retries", retries)
    assert (result.code, len(scripted_server.requests)) == (code, requests)


def test_a_wait_over_max_wait_is_refused_at_once(cli: Cli, scripted_server: ScriptedServer) -> None:
    body = b'{"error":{"code":"429","message":"Exceeded. Please retry after 86400 seconds. More."}}'
    scripted_server.play([response(body, "429 Too Many Requests")])
    result = cli.service(scripted_server.url).run("complete", "P")
    assert (result.code, len(scripted_server.requests)) == (8, 1)
    assert "86400" in result.stderr
    assert "--max-wait" in result.stderr


@pytest.mark.parametrize(
    ("headers", "code", "hint"),
    [
        ([], 9, "Another attempt has to wait, and --max-wait 0 does not allow it"),
        (["retry-after: 1"], 8, "asks to wait 1 s, longer than --max-wait 0"),
        (["retry-after: 0"], 9, "Another attempt has to wait"),
    ],
)
def test_max_wait_0_never_waits(
    headers: list[str], code: int, hint: str, cli: Cli, scripted_server: ScriptedServer
) -> None:
    scripted_server.play([response(b"", "503 Service Unavailable", headers)])
    result = cli.service(scripted_server.url).run("complete", "P", "--max-wait", "0")
    assert (result.code, len(scripted_server.requests)) == (code, 1)
    assert hint in result.stderr


def test_what_breaks_off_amid_text_is_not_asked_again(cli: Cli, scripted_server: ScriptedServer) -> None:
    overloaded = b'data: {"error":{"message":"overloaded","code":"503"}}\n\n'
    scripted_server.play([stream_head(), event("kept"), overloaded])
    result = cli.service(scripted_server.url).run("stream", "P")
    assert (result.code, result.stdout, len(scripted_server.requests)) == (9, b"kept", 1)
    assert "hint: The failure came after text was printed" in result.stderr


def test_the_note_on_a_retry_reads_well(cli: Cli, scripted_server: ScriptedServer) -> None:
    page = b"<html><head><title>503 Service Temporarily Unavailable</title></head></html>"
    scripted_server.play([response(page, "503 X", ["retry-after-ms: 1"])], [RATE_LIMITED], [response(WHOLE)])
    first, second = cli.service(scripted_server.url).run("complete", "P").stderr.splitlines()
    assert first == "note: 503: Service Temporarily Unavailable; trying again in 0.0 s (attempt 2 of 5)"
    assert second == "note: 429: Slow down; trying again in 0.0 s (attempt 3 of 5)"


def test_nothing_listens(cli: Cli, scripted_server: ScriptedServer) -> None:
    url = scripted_server.url
    scripted_server.close()
    result = cli.service(url).run("complete", "P", "--retries", "1")
    assert result.code == 10
    assert result.stderr.count("trying again") == 1


# Redirects


def test_a_307_within_the_origin_is_followed_once(cli: Cli, scripted_server: ScriptedServer) -> None:
    moved = response(b"", "307 Temporary Redirect", ["location: /completions/moved"])
    scripted_server.play([moved], [response(WHOLE)])
    assert cli.service(scripted_server.url).run("complete", "P").text == "ok\n"
    first, second = scripted_server.requests
    assert second.startswith(b"POST /completions/moved ")
    assert first.partition(b"\r\n\r\n")[2] == second.partition(b"\r\n\r\n")[2]


def test_a_second_redirect_is_refused(cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.play([response(b"", "308 X", ["location: /again"])])
    result = cli.service(scripted_server.url).run("complete", "P")
    assert (result.code, len(scripted_server.requests)) == (10, 2)


# Usage and --fail-on


@pytest.mark.parametrize("command", ["complete", "stream"])
def test_usage_in_a_pipe_is_one_line_of_pairs(command: str, cli: Cli, scripted_server: ScriptedServer) -> None:
    document = b'{"choices":[{"index":0,"text":"a","finish_reason":"length"}],' + USAGE + b"}"
    whole = response(document) if command == "complete" else stream_head() + b"data: " + document + b"\n\n" + DONE
    scripted_server.play([whole])
    result = cli.service(scripted_server.url).run(command, "P", "-u")
    line, note = result.stderr.splitlines()
    pairs = dict(pair.split("=") for pair in line.split(" "))
    assert (pairs["prompt_tokens"], pairs["completion_tokens"], pairs["total_tokens"]) == ("2", "3", "5")
    assert (pairs["finish_reason"], float(pairs["latency"]) > 0) == ("length", True)
    assert ("first_token" in pairs) == (command == "stream")
    assert note.startswith("note: ")


@pytest.mark.parametrize(
    ("reasons", "code"), [(["length,content_filter"], 15), (["content_filter"], 0), (["length", "content_filter"], 15)]
)
def test_fail_on(reasons: list[str], code: int, cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.play([answer("a", reason="length")])
    result = cli.service(scripted_server.url).run("complete", "P", *(f"--fail-on={each}" for each in reasons))
    assert (result.code, result.text) == (code, "a\n")
    assert result.stderr.count("--fail-on") == (1 if code else 0)


@pytest.mark.parametrize(
    ("reason", "note"),
    [
        ("MAX_TOKENS", "the completion was cut off at max_tokens; allow more with -M"),
        ("model_length", "the completion was cut off at another limit than max_tokens (model_length)"),
        ("SAFETY", "the service's content filter removed text"),
    ],
)
def test_fail_on_knows_the_words_of_other_servers(
    reason: str, note: str, cli: Cli, scripted_server: ScriptedServer
) -> None:
    scripted_server.play([answer("a", reason=reason)])
    result = cli.service(scripted_server.url).run("complete", "P", "-u", "--fail-on", "length,content_filter")
    assert (result.code, result.text) == (15, "a\n")
    assert note in result.stderr
    assert f"the finish reason is {reason} (--fail-on)" in result.stderr


def test_a_finish_reason_that_is_not_known_gets_a_warning(cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.play([answer("a", reason="eos_token")])
    result = cli.service(scripted_server.url).run("complete", "P", "--fail-on", "eos_token,stop")
    assert result.code == 15
    warning = "warning: --fail-on eos_token: known finish reasons are length, content_filter, stop, "
    assert result.stderr.startswith(warning)
