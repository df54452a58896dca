"""URLs are read once: into ASCII that every parser below reads in the same way, or not at all."""

from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pyreqwest.http import Url as WhatwgUrl

from completions_cli.api import urls
from completions_cli.api.urls import Url, UrlError
from tests.odd_urls import odd_references, odd_urls

SHARP_S = "https://xn--strae-oqa.example"


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://straße.example/", f"{SHARP_S}/"),
        ("https://STRASSE.example/", "https://strasse.example/"),
        ("https://STRAẞE.example/", f"{SHARP_S}/"),
        ("https://xn--strae-oqa.example", f"{SHARP_S}/"),
        ("https://XN--STRAE-OQA.example", f"{SHARP_S}/"),
        ("https://ς.example", "https://xn--3xa.example/"),
        ("https://σ.example", "https://xn--4xa.example/"),
        ("https://例え。テスト", "https://xn--r8jz45g.xn--zckzah/"),
        ("https://ｅxample.com:0443/", "https://example.com/"),
        ("http://[::FFFF:127.0.0.1]:80/", "http://[::ffff:7f00:1]/"),
        ("http://[0:0:0:0:0:0:0:1]:8080", "http://[::1]:8080/"),
        ("https://a.b/c/../d/%2e%2E/./e", "https://a.b/e"),
        ("https://a.b/c/..", "https://a.b/"),
        ("https://a.b/../../c/.", "https://a.b/c/"),
        ("https://a.b//c", "https://a.b//c"),
        ("https://a.b/%zz%4%41%", "https://a.b/%25zz%254%41%25"),
        ("https://a.b/ä'|?ß='[", "https://a.b/%C3%A4'%7C?%C3%9F=%27%5B"),
        ("https://a.b?", "https://a.b/"),
        ("https://a.b?#c?d", "https://a.b/"),
        ("https://r3---sn.a_b.c", "https://r3---sn.a_b.c/"),
    ],
)
def test_a_url_has_one_form(text: str, url: str) -> None:
    assert str(urls.parse(text)) == url


@pytest.mark.parametrize(
    "host",
    [
        *[
            "0x7f.1",
            "0x7f000001",
            "2130706433",
            "0177.0.0.1",
            "127.1",
            "127.0.0.1.",
            "1.0x7f",
            "1.0x",
            "1.2.3.4.5",
            "256.0.0.1",
            "１２7.0.0.1",
        ],
        *["[fe80::1%25eth0]", "[fe80::1%eth0]", "[v1.a]", "[]", "[::1"],
        *[
            "xn--a",
            "xn--",
            "xn--bcher-.example",
            "xn--strasse-.example",
            "℀.example",
            "a\u200db.example",
            "http",
            "https",
        ],
        *["1a.xn--4dbrk0ce", "אב.1a", "exam%70le.com", "a..b", "a.b@c.d", "a.b\\c.d", "a.b\tc", "🙂.example"],
        "a b",
        ".".join(["a" * 49] * 6),
    ],
)
def test_what_parsers_read_in_different_ways_is_refused(host: str) -> None:
    with pytest.raises(UrlError):
        urls.parse(f"https://{host}/")


@pytest.mark.parametrize(
    ("reference", "url"),
    [
        ("/x?y", "https://a.b/x?y"),
        ("x/../y", "https://a.b/c/y"),
        ("../x", "https://a.b/x"),
        ("?x", "https://a.b/c/d?x"),
        ("?", "https://a.b/c/d"),
        ("#x", "https://a.b/c/d?e"),
        ("//a.b/x", "https://a.b/x"),
        ("//A.B:443/x#y", "https://a.b/x"),
        ("https://a.b/x", "https://a.b/x"),
        ("./x:y", "https://a.b/c/x:y"),
        ("//c.d/x", "https://c.d/x"),
        ("///x", None),
        ("x:y", None),
        ("https:x", None),
        ("https:/x", None),
        ("/\\c.d", None),
        ("\\\\c.d", None),
        ("/\t/c.d", None),
        ("//a.b@c.d", None),
        ("/x\x01", None),
        ("", None),
    ],
)
def test_a_reference_means_one_url_or_none(reference: str, url: str | None) -> None:
    base = urls.parse("https://a.b/c/d?e")
    if url is None:
        with pytest.raises(UrlError):
            base.joined(reference)
    else:
        assert str(base.joined(reference)) == url


@given(odd_urls)
@example("https://straße.example/")
@example("https://a.b\\@c.d/")
def test_every_parser_reads_what_ours_gives_as_ours_does(text: str) -> None:
    try:
        url = urls.parse(text)
    except UrlError:
        return
    _assert_read_alike(url)


@given(
    odd_references,
    st.sampled_from(["https://strasse.example/a/b", f"{SHARP_S}/", "http://[::1]:8080/v1/x?y", "http://127.0.0.1/"]),
)
@example("https://straße.example/", "https://strasse.example/a/b")
@example("//straße.example/", f"{SHARP_S}/")
def test_every_parser_reads_where_a_reference_leads_as_ours_does(reference: str, base: str) -> None:
    asked = urls.parse(base)
    try:
        target = asked.joined(reference)
    except UrlError:
        return
    _assert_read_alike(target)
    # Whoever wrote it may have had a browser in mind: it leads no one elsewhere who takes it as a browser does.
    meant = WhatwgUrl(base).join(reference)
    assert _origin(meant) == (target.origin.scheme, target.origin.host, target.origin.port)


def _assert_read_alike(url: Url) -> None:
    """Compare a URL with what the libraries below, and Python's own parser, read in its text."""
    text = str(url)
    wanted = (url.origin.scheme, url.origin.host, url.origin.port)
    assert text.isascii()
    assert urls.parse(text) == url
    seen = httpx.URL(text)
    port = seen.port if seen.port is not None else urls.DEFAULT_PORTS[seen.scheme]
    assert (seen.scheme, seen.raw_host.decode(), port) == wanted
    assert (seen.raw_path.decode(), seen.netloc.decode()) == (url.target, url.origin.authority)
    split = urlsplit(text)
    assert (split.scheme, split.hostname, split.port or port) == wanted
    assert split.username is None
    assert _origin(WhatwgUrl(text)) == wanted
    assert str(WhatwgUrl(text)) == text


def _origin(url: WhatwgUrl) -> tuple[str, str | None, int | None]:
    return url.scheme, (url.host_str or "").strip("[]"), url.port_or_known_default


@pytest.mark.parametrize(
    ("text", "proxy"),
    [
        ("p.test", ("http://p.test", None, "")),
        ("p.test:3128", ("http://p.test:3128", None, "")),
        ("https://P.test/", ("https://p.test", None, "")),
        ("http://p.test:80", ("http://p.test", None, "")),
        ("socks://p.test", ("socks5://p.test:1080", None, "")),
        ("SOCKS5H://[::1]:9", ("socks5h://[::1]:9", None, "")),
        ("http://straße.test", ("http://xn--strae-oqa.test", None, "")),
        ("http://me:p%20w%40@p.test:1", ("http://p.test:1", "me", "p w@")),
        ("http://me@p.test:1", ("http://p.test:1", "me", "")),
        ("me:p@w@p.test:1", ("http://p.test:1", "me", "p@w")),
    ],
)
def test_a_proxy_is_read_into_its_parts(text: str, proxy: tuple[str, str | None, str]) -> None:
    found = urls.parse_proxy(text)
    assert (str(found.origin), found.user, found.password) == proxy


@given(odd_urls, st.sampled_from(["hunter2", "hunter2%40", "hunt/er2hunter2", "a:hunter2"]))
def test_no_error_repeats_a_password(text: str, password: str) -> None:
    scheme, _, rest = text.partition("//")
    given = f"{scheme}//user:{password}@{rest}"
    for ask in (urls.parse, urls.parse_proxy):
        try:
            ask(given)
        except UrlError as error:
            shown = str(error)
            assert "hunter2" not in shown


@pytest.mark.parametrize(
    "text", ["https:/u:hunter2@a.b", "u:hunter2@a.b/c d", "//u:hunter2@a.b\n", "ftp:u:hunter2@a.b"]
)
def test_what_is_shown_of_a_text_holds_no_password(text: str) -> None:
    assert "hunter2" not in urls.shown(text)
