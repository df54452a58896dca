"""Answers that are cut off, lie, bloat or never end: each is the whole text or an error of ours, never half a success."""

import asyncio
import gzip
from collections.abc import Iterable, Iterator
from typing import Protocol

import pytest
from hypothesis import given
from hypothesis import strategies as st

from completions_cli.api import endpoint
from completions_cli.api.retry import RetryPolicy
from completions_cli.api.service import Service
from completions_cli.auth.credentials import NoCredentials
from completions_cli.batch.exchange import Exchange, Failure
from completions_cli.client.caller import Caller
from completions_cli.errors import (
    CompletionsError,
    MalformedResponseError,
    RateLimitError,
    RequestTimeoutError,
    ServerError,
)
from completions_cli.models import Chunk, CompletionRequest
from completions_cli.transport.asynchronous import AsyncTransport
from completions_cli.transport.connection import Connection
from tests.scripted_server import Endless, Script, ScriptedServer, response, scripted

PATIENT, IMPATIENT = Connection(timeout=30), Connection(timeout=0.5)

Outcome = str | CompletionsError
Outcomes = Iterator[Outcome]


class Ask(Protocol):
    def __call__(self, server: ScriptedServer, *answers: Script, connection: Connection = ...) -> list[Outcome]: ...


BODY = '{"choices":[{"text":"héy","finish_reason":"stop"}]}'.encode()
EVENTS = b'data: {"choices":[{"text":"h"}]}\n\n' + b"data: " + BODY.replace(b"h\xc3", b"\xc3") + b"\n\ndata: [DONE]\n\n"


def _called(server: ScriptedServer, answers: Iterable[Script], connection: Connection, *, stream: bool) -> Outcomes:
    service = Service(endpoint.resolve(server.url))
    with Caller(service, NoCredentials(), connection, RetryPolicy(retries=0)) as caller:
        for answer in answers:
            server.play(answer)
            events = caller.events(CompletionRequest(prompt="P", stream=stream))
            try:
                deltas = [delta for event in events if isinstance(event, Chunk) for delta in event.deltas]
            except CompletionsError as error:
                yield error
            else:
                yield "".join(delta.text for delta in deltas)


def complete(server: ScriptedServer, *answers: Script, connection: Connection = PATIENT) -> list[Outcome]:
    """Ask as `complete` does, once for each answer."""
    return list(_called(server, answers, connection, stream=False))


def stream(server: ScriptedServer, *answers: Script, connection: Connection = PATIENT) -> list[Outcome]:
    """Ask as `stream` does."""
    return list(_called(server, answers, connection, stream=True))


def batch(server: ScriptedServer, *answers: Script, connection: Connection = PATIENT) -> list[Outcome]:
    """Ask as `batch` does."""

    async def ask(exchange: Exchange, answer: Script) -> Outcome:
        server.play(answer)
        try:
            reply = await exchange.send(CompletionRequest(prompt="P"))
        except Failure as failure:
            return failure.error
        return "".join(choice["text"] for choice in reply.response["choices"])

    async def ask_all() -> list[Outcome]:
        async with AsyncTransport(connection) as transport:
            exchange = Exchange(Service(endpoint.resolve(server.url)), NoCredentials(), transport)
            return [await ask(exchange, answer) for answer in answers]

    return asyncio.run(ask_all())


@pytest.fixture(params=[complete, stream, batch])
def ask(request: pytest.FixtureRequest) -> Ask:
    """Ask over each of the ways in turn."""
    way: Ask = request.param
    return way


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    """Give one server for all the cases of a table."""
    with scripted() as running:
        yield running


def chunked(body: bytes) -> bytes:
    """Put a body in chunks of seven bytes."""
    pieces = [body[at : at + 7] for at in range(0, len(body), 7)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def whole(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """Put an answer together whose connection stays open afterwards, for all the client knows."""
    lines = [f"HTTP/1.1 {status}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def sized(body: bytes, *headers: str) -> bytes:
    """Put an answer together that says how long it is."""
    return whole(body, *headers, f"content-length: {len(body)}")


PACKED = gzip.compress(BODY)
ANSWERS = {
    "sized": sized(BODY),
    "chunked": whole(chunked(BODY), "transfer-encoding: chunked"),
    "gzip": sized(PACKED, "content-encoding: gzip"),
    "gzip, chunked": whole(chunked(PACKED), "content-encoding: gzip", "transfer-encoding: chunked"),
    "gzip of two members": sized(gzip.compress(BODY[:9]) + gzip.compress(BODY[9:]), "content-encoding: gzip"),
    "events, chunked": whole(chunked(EVENTS), "transfer-encoding: chunked"),
    "events": whole(EVENTS, "connection: close"),
}


# Cut off


@pytest.mark.parametrize("kind", ANSWERS)
@pytest.mark.parametrize("ask", [complete, batch])
def test_an_answer_cut_off_at_any_byte_is_whole_or_an_error(kind: str, ask: Ask, server: ScriptedServer) -> None:
    answer = ANSWERS[kind]
    outcomes = ask(server, *([answer[:end]] for end in range(len(answer) + 1)))
    assert outcomes.pop() == "héy"
    assert {outcome for outcome in outcomes if isinstance(outcome, str)} <= {"héy"}
    # Of the last bytes none is needed: a document whose text is all there is whole.
    assert outcomes[-1] == "héy" or kind in ("sized", "gzip")


@pytest.mark.parametrize("framing", ["content-length: 99", "transfer-encoding: chunked"])
def test_of_an_error_cut_off_the_status_stays(framing: str, ask: Ask, server: ScriptedServer) -> None:
    for status, kind in (("500 Oops", ServerError), ("429 Slow Down", RateLimitError)):
        for rest in (b"", b'{"error":', b'7\r\n{"error'):
            (outcome,) = ask(server, [whole(rest, framing, status=status)])
            assert type(outcome) is kind


# Lies


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(whole(BODY, f"content-length: {len(BODY) - 1}"), id="shorter than it is"),
        pytest.param(whole(BODY, "content-length: 0"), id="nothing"),
        pytest.param(whole(BODY, "content-length: -1"), id="negative"),
        pytest.param(whole(BODY, "content-length: 99999999999999999999999"), id="more than there is anywhere"),
        pytest.param(whole(BODY[:-1], f"content-length: {len(BODY)}"), id="a byte short"),
        pytest.param(whole(BODY, "content-length: 9e1"), id="no number"),
        pytest.param(whole(BODY, f"content-length: {len(BODY)}", "content-length: 7"), id="two lengths"),
        pytest.param(whole(BODY, "transfer-encoding: chunked"), id="no chunks"),
        pytest.param(whole(b"-1\r\n" + BODY, "transfer-encoding: chunked"), id="a negative chunk"),
        pytest.param(sized(BODY, "content-encoding: gzip"), id="not compressed"),
        pytest.param(sized(gzip.compress(PACKED), "content-encoding: gzip, gzip"), id="compressed twice"),
        pytest.param(sized(PACKED[:-12] + b"\0" * 12, "content-encoding: gzip"), id="a wrong checksum"),
        pytest.param(whole(b"", "content-length: 0", status="204 No Content"), id="no content"),
        pytest.param(b"HTTP/1.1 200 OK\r\n" + b"x" * 1_000_000, id="an endless header"),
        pytest.param(b"HTTP/3 200\r\n\r\n", id="another version"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01", id="TLS on a plain port"),
    ],
)
def test_what_is_not_as_it_says_is_an_error(answer: bytes, ask: Ask, server: ScriptedServer) -> None:
    (outcome,) = ask(server, [answer])
    assert isinstance(outcome, CompletionsError)
    assert outcome.exit_code in (10, 12)


def test_headers_in_any_bytes_do_no_harm(ask: Ask, server: ScriptedServer) -> None:
    names = ("x-request-id", "retry-after", "x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "server")
    strange = b"".join(f"{name}: ".encode() + b"caf\xe9 \xff\x9b31m \xc3\xa9\r\n" for name in names)
    for status, kind in (("200 OK", str), ("500 Oops", ServerError), ("429 Slow Down", RateLimitError)):
        body = b'{"error":{"message":"no"}}' if kind is not str else BODY
        first, rest = sized(body).replace(b"200 OK", status.encode()).split(b"\r\n", 1)
        (outcome,) = ask(server, [first + b"\r\n" + strange + rest])
        assert isinstance(outcome, kind)


# Without end


@pytest.mark.parametrize(
    "script",
    [
        pytest.param([Endless(b"H", 0.02)], id="a head a byte at a time"),
        pytest.param([b"HTTP/1.1 200 OK\r\n", Endless(b"x-a: b\r\n", 0.02)], id="headers a line at a time"),
    ],
)
def test_a_head_that_never_ends_is_given_up(script: Script, ask: Ask, server: ScriptedServer) -> None:
    (outcome,) = ask(server, script, connection=IMPATIENT)
    assert isinstance(outcome, CompletionsError)
    assert outcome.exit_code in (10, 11)


@pytest.mark.parametrize("drip", [b": ping\n\n", b"\n", b"data:\n\n"])
def test_a_stream_of_nothing_is_silence(drip: bytes, server: ScriptedServer) -> None:
    script: Script = [whole(b": hello\n\n", "content-type: text/event-stream"), Endless(drip, 0.02)]
    for ask in (complete, stream):
        (outcome,) = ask(server, script, connection=IMPATIENT)
        assert isinstance(outcome, RequestTimeoutError)


@pytest.mark.parametrize("drip", [b" ", b": ping\n\n"])
def test_a_deadline_ends_what_never_ends(drip: bytes, ask: Ask, server: ScriptedServer) -> None:
    script: Script = [whole(b"", "transfer-encoding: chunked"), Endless(chunked(drip)[:-5], 0.02)]
    (outcome,) = ask(server, script, connection=Connection(timeout=30, deadline=0.6))
    assert isinstance(outcome, RequestTimeoutError)
    assert "--deadline" in outcome.message


def test_white_space_before_a_document_is_a_sign_of_life(ask: Ask, server: ScriptedServer) -> None:
    """So the deadline ends it, and not the silence that is allowed, which is shorter."""
    script: Script = [whole(b"", "transfer-encoding: chunked"), Endless(chunked(b" ")[:-5], 0.02)]
    (outcome,) = ask(server, script, connection=Connection(timeout=0.7, deadline=2))
    assert isinstance(outcome, RequestTimeoutError)
    assert "--deadline" in outcome.message


def test_an_event_without_end_is_cut_off(server: ScriptedServer) -> None:
    (outcome,) = stream(server, [whole(b"data: ", "content-type: text/event-stream"), Endless(b"x" * (1 << 20))])
    assert isinstance(outcome, MalformedResponseError)
    assert "one event of the stream is larger than 64 MiB" in outcome.message


def test_a_body_without_end_is_cut_off(server: ScriptedServer) -> None:
    for ask in (complete, batch):
        (outcome,) = ask(server, [whole(b"{"), Endless(b" " * (1 << 22))])
        assert isinstance(outcome, MalformedResponseError)
        assert "the response is larger than 256 MiB" in outcome.message


# Anything at all

TOKENS = [
    *(b"\r\n", b"\x00", b"\xff", b":", b"0", b"-1", b"9" * 20, b"{", b'"', b"\\ud800", b"[" * 3000, b"NaN", b"1e999"),
    *(
        b"transfer-encoding: chunked\r\n",
        b"content-length: 3\r\n",
        b"content-encoding: gzip\r\n",
        b"HTTP/1.1 100 X\r\n\r\n",
    ),
    *(b"location: \xff\r\n", b"location: http://[\r\n", b"retry-after: \xb2\r\n", b"retry-after: 1e400\r\n"),
    *(b"retry-after: Wed, 21 Oct 99999 07:28:00 GMT\r\n", b"x-ms-error-code: \x1b[31m\r\n", b"307", b"429", b"999"),
]
SEEDS = [
    *ANSWERS.values(),
    response(b'{"error":{"code":"x","message":"no","param":"p"}}', "429 Slow Down", ["retry-after: 7"]),
    response(b'{"detail":[{"loc":["body","stop"],"msg":"no","type":"t"}]}', "422 No"),
    whole(b"", "location: /x", "content-length: 0", status="307 Go"),
]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Draw an answer with bytes put in, taken out and overwritten, mostly at the start of a line."""
    answer = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 4))):
        starts = [0, *(at + 2 for at in range(len(answer)) if answer[at : at + 2] == b"\r\n")]
        at = draw(st.sampled_from(starts) | st.integers(0, len(answer)))
        cut = draw(st.sampled_from([0, 0, 1, 5, 9999]))
        answer[at : at + cut] = draw(st.sampled_from(TOKENS) | st.binary(max_size=4))
    return bytes(answer)


@given(answers=st.lists(damaged(), min_size=1, max_size=8))
def test_any_answer_is_a_text_or_an_error_of_ours(server: ScriptedServer, answers: list[bytes]) -> None:
    for ask in (complete, batch):
        for outcome in ask(server, *([answer] for answer in answers), connection=Connection(timeout=5, deadline=5)):
            if isinstance(outcome, CompletionsError):
                assert outcome.exit_code not in (0, 1)
                assert outcome.message
            else:
                outcome.encode()


# Connections


def test_connections_that_the_server_closes_meanwhile_cost_no_answer(server: ScriptedServer) -> None:
    server.play([sized(BODY)])
    waits: list[float] = []
    service, policy = Service(endpoint.resolve(server.url)), RetryPolicy(retries=1)
    with Caller(service, NoCredentials(), PATIENT, policy, sleep=waits.append) as caller:
        for _ in range(20):
            assert len(list(caller.events(CompletionRequest(prompt="P")))) == 2


def test_an_address_of_the_sixth_version(ask: Ask) -> None:
    with scripted("::1") as six:
        assert ask(six, [sized(BODY)]) == ["héy"]
        assert f"host: [::1]:{six.port}".encode() in six.requests[0].lower()
