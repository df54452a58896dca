"""Compressed bodies come out as they went in, however they are cut, and never more than a little at a time."""

import gzip
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from completions_cli.transport.decompression import decompressed
from tests.command import Cli
from tests.scripted_server import ScriptedServer, stream_head

MOST = 256 * 1024


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    " GZIP ": gzip.compress,
    "deflate": zlib.compress,
}


@given(st.binary(max_size=3000) | st.integers(0, 3).map(lambda n: bytes(n * MOST)), st.integers(2, 400))
def test_a_body_comes_out_as_it_went_in(body: bytes, size: int) -> None:
    for encoding, pack in [*PACKERS.items(), ("deflate", raw_deflate)]:
        packed = pack(body)
        given_ = list(decompressed((packed[at : at + size] for at in range(0, len(packed), size)), encoding))
        assert b"".join(given_) == body
        assert b"" not in given_


@pytest.mark.parametrize("encoding", ["", "identity", "br", "zstd", "gzip, gzip", "gzip, deflate", "utf-8"])
def test_any_other_encoding_is_left_as_it_is(encoding: str) -> None:
    assert list(decompressed([b"a", b"b"], encoding)) == [b"a", b"b"]


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_gzip_that_nobody_speaks_of_is_undone(size: int) -> None:
    packed = gzip.compress(b"one") + gzip.compress(b"two")
    assert b"".join(decompressed((packed[at : at + size] for at in range(0, len(packed), size)), "")) == b"onetwo"


def test_a_bomb_goes_off_in_small_steps() -> None:
    bomb = gzip.compress(bytes(64 << 20))
    steps = [len(step) for step in decompressed([bomb], "gzip")]
    assert (sum(steps), max(steps)) == (64 << 20, MOST)


@given(
    st.binary(min_size=2, max_size=200).filter(lambda body: not body.startswith(b"\x1f\x8b")),
    st.sampled_from(["gzip", "deflate"]),
)
def test_what_is_not_compressed_is_an_error_and_nothing_else(body: bytes, encoding: str) -> None:
    try:
        list(decompressed([body], encoding))
    except zlib.error:
        return
    assert encoding == "deflate"  # of random bytes some are raw deflate


def test_a_body_cut_off_gives_what_there_is() -> None:
    packed = gzip.compress(b"some words " * 99)
    for end in range(len(packed)):
        assert (b"some words " * 99).startswith(b"".join(decompressed([packed[:end]], "gzip")))


def test_a_deadline_is_kept_while_a_few_bytes_unfold(cli: Cli, scripted_server: ScriptedServer) -> None:
    """The stream ends well, after more events than can be read within the deadline: only a look amid them ends it."""
    unfolded = b"data: {}\n\n" * 400_000 + b"data: [DONE]\n\n"
    head = stream_head(["content-type: text/event-stream", "content-encoding: gzip"])
    scripted_server.play([head + gzip.compress(unfolded)])
    result = cli.service(scripted_server.url).run("stream", "P", "--deadline", "0.3")
    assert (result.code, "--deadline" in result.stderr) == (11, True)


@given(
    st.lists(st.binary(max_size=400), min_size=1, max_size=4),
    st.sampled_from([b"", bytes(9), b"\x1f", b"junk"]),
    st.integers(1, 60),
)
def test_a_body_of_several_members_is_read_whole(members: list[bytes], rest: bytes, size: int) -> None:
    packed = b"".join(map(gzip.compress, members)) + rest
    parts = (packed[at : at + size] for at in range(0, len(packed), size))
    assert b"".join(decompressed(parts, "gzip")) == b"".join(members)
