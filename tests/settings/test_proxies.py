"""Which proxy of the environment stands before an endpoint, and which endpoints NO_PROXY takes out."""

from pathlib import Path

import pytest

from completions_cli.api import endpoint as endpoints
from completions_cli.errors import ConfigError
from completions_cli.settings import proxies
from completions_cli.settings import shown as settings_shown
from completions_cli.settings.layers import Flags
from completions_cli.settings.profile_file import ProfileFile
from completions_cli.settings.resolve import resolve

PROXY = "http://proxy:3128"
HTTPS, HTTP = "https://api.example.com", "http://api.example.com"


@pytest.mark.parametrize(
    ("endpoint", "environ", "name"),
    [
        (HTTPS, {}, None),
        (HTTPS, {"https_proxy": PROXY, "HTTPS_PROXY": "other"}, "https_proxy"),
        (HTTPS, {"https_proxy": "", "HTTPS_PROXY": PROXY}, "HTTPS_PROXY"),
        (HTTPS, {"http_proxy": PROXY, "HTTP_PROXY": PROXY}, None),
        (HTTPS, {"all_proxy": PROXY, "ALL_PROXY": "other"}, "all_proxy"),
        (HTTPS, {"ALL_PROXY": PROXY}, "ALL_PROXY"),
        (HTTP, {"http_proxy": PROXY, "ALL_PROXY": "other"}, "http_proxy"),
        (HTTP, {"HTTP_PROXY": PROXY}, "HTTP_PROXY"),
        (HTTP, {"HTTPS_PROXY": PROXY, "https_proxy": PROXY}, None),
        (HTTP, {"HTTP_PROXY": "a client's", "REQUEST_METHOD": "GET"}, None),
        (HTTP, {"HTTP_PROXY": "a client's", "REQUEST_METHOD": "GET", "ALL_PROXY": PROXY}, "ALL_PROXY"),
        (HTTPS, {"HTTPS_PROXY": PROXY, "REQUEST_METHOD": "GET"}, "HTTPS_PROXY"),
        ("http://localhost:8080", {"http_proxy": PROXY, "all_proxy": PROXY}, None),
        ("https://127.0.0.1", {"https_proxy": PROXY}, None),
        (HTTPS, {"https_proxy": PROXY, "NO_PROXY": "example.com"}, None),
        (HTTPS, {"https_proxy": PROXY, "no_proxy": "else.example", "NO_PROXY": "*"}, "https_proxy"),
    ],
)
def test_the_proxy_is_the_first_that_the_environment_names(
    endpoint: str, environ: dict[str, str], name: str | None
) -> None:
    found = proxies.from_environ(endpoints.resolve(endpoint), environ)
    assert found == (None if name is None else (PROXY, name))


@pytest.mark.parametrize(
    ("host", "is_proxied"),
    [
        *((host, False) for host in ("0.0.0.0", "[::]", "[::1]", "[::ffff:127.0.0.1]", "127.9.9.9")),  # noqa: S104 - connected to
        *((host, False) for host in ("localhost.", "LocalHost", "a.localhost", "a.b.localhost.")),
        *((host, True) for host in ("128.0.0.1", "[::ffff:10.0.0.1]", "localhost.example", "notlocalhost")),
    ],
)
def test_no_spelling_of_this_machine_has_a_proxy(host: str, *, is_proxied: bool) -> None:
    environ = {"all_proxy": PROXY}
    assert bool(proxies.from_environ(endpoints.resolve(f"http://{host}:8000"), environ)) is is_proxied
    flags = Flags(settings={"endpoint": f"http://{host}:8000", "proxy": PROXY})
    assert (resolve(flags, {}, ProfileFile(Path("f"))).values["proxy"] is not None) is is_proxied


@pytest.mark.parametrize(
    ("no_proxy", "excluded", "kept"),
    [
        ("*", [HTTPS, HTTP, "https://10.0.0.1", "https://[2001:db8::1]"], []),
        ("example.com", ["https://example.com", HTTPS], ["https://notexample.com", "https://example.com.evil.test"]),
        (".example.com", ["https://example.com", HTTPS], ["https://notexample.com"]),
        ("*.example.com", [HTTPS], ["https://notexample.com"]),
        ("API.Example.COM", [HTTPS], ["https://b.example.com"]),
        ("a.test,api.example.com", ["https://a.test", HTTPS], ["https://b.test"]),
        (" a.test \t api.example.com,,", ["https://a.test", HTTPS], ["https://b.test"]),
        ("example.com:443", [HTTPS], [HTTP, f"{HTTPS}:8443"]),
        ("example.com:80", [HTTP], [HTTPS]),
        ("example.com:8443", [f"{HTTPS}:8443", f"{HTTP}:8443"], [HTTPS, HTTP]),
        ("example.com:444 example.com:81", [], [HTTPS, HTTP]),
        ("10.0.0.1", ["https://10.0.0.1"], ["https://10.0.0.2"]),
        ("10.0.0.1:443", ["https://10.0.0.1"], ["https://10.0.0.1:8443"]),
        ("10.1.2.3/8", ["https://10.9.9.9"], ["https://11.0.0.1", HTTPS]),
        ("2001:db8::/32", ["https://[2001:db8::1]"], ["https://[2001:db9::1]", "https://10.0.0.1"]),
        ("2001:db8::443", ["https://[2001:db8::443]"], ["https://[2001:db8::1]"]),
        ("[2001:db8::1]:443", ["https://[2001:db8::1]"], ["https://[2001:db8::1]:8443", "https://[2001:db8::2]"]),
        ("[2001:db8::1]", ["https://[2001:db8::1]"], ["https://[2001:db8::2]"]),
        ("", [], [HTTPS]),
        (" , ,", [], [HTTPS]),
        ("fe80::/10 10.0.0.0/99 :443 [ ]: . example.com:\u00b2 example.com:" + "9" * 5000, [], [HTTPS]),
    ],
)
def test_no_proxy_takes_out_domains_addresses_blocks_and_ports(
    no_proxy: str, excluded: list[str], kept: list[str]
) -> None:
    environ = {"all_proxy": PROXY, "no_proxy": no_proxy}
    assert [url for url in excluded if proxies.from_environ(endpoints.resolve(url), environ)] == []
    assert [url for url in kept if not proxies.from_environ(endpoints.resolve(url), environ)] == []


@pytest.mark.parametrize(
    ("given", "checked"),
    [
        ("proxy:3128", "http://proxy:3128"),
        ("proxy", "http://proxy"),
        ("u:p@proxy:1", "http://u:p@proxy:1"),
        *((url, url) for url in ("http://p", "https://p:65535", "socks5://p:1080", "socks5h://[::1]:1080/")),
    ],
)
def test_a_proxy_is_a_url_or_a_host(given: str, checked: str) -> None:
    assert proxies.checked(given, "--proxy") == checked


@pytest.mark.parametrize(
    "given",
    ["", "http://", "ftp://p:21", "socks4://p", "p:0", "p:65536", "p:port", "http://[::1", "u:canary@",
     "u:canary@p:port"],
)  # fmt: skip
def test_what_is_no_proxy_is_refused_without_repeating_it(given: str) -> None:
    with pytest.raises(ConfigError, match="the proxy from --proxy is not a usable URL") as caught:
        proxies.checked(given, "--proxy")
    assert "canary" not in caught.value.message + str(caught.value.hint)


@pytest.mark.parametrize(
    ("proxy", "shown"),
    [
        ("http://proxy:3128", "http://proxy:3128"),
        ("proxy", "proxy"),
        ("http://user:canary@proxy:3128", "http://****@proxy:3128"),
        ("user:canary@proxy", "****@proxy"),
        ("http://user:can@ary@proxy", "http://****@proxy"),
        ("http://user:can://ary@proxy", "http://****@proxy"),
        ("user:can://ary@proxy", "****@proxy"),
    ],
)
def test_users_and_passwords_of_proxies_are_not_shown(proxy: str, shown: str) -> None:
    assert settings_shown.setting("proxy", proxy) == shown
