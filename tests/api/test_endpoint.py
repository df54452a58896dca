"""What users paste as an endpoint, and the URL it must become."""

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from completions_cli.api import endpoint
from completions_cli.errors import ConfigError

V = "api-version=2024-04-01-preview"
MAAS = "https://n.eastus2.models.ai.azure.com"

KINDS = [
    # The rows of the service's kinds: base URL to completions URL.
    (MAAS, f"{MAAS}/completions?{V}"),
    (f"{MAAS}/v1/completions", f"{MAAS}/v1/completions"),
    (
        "https://n-serverless.eastus2.inference.ai.azure.com/v1/completions",
        "https://n-serverless.eastus2.inference.ai.azure.com/v1/completions",
    ),
    ("https://ep.eastus.inference.ml.azure.com", f"https://ep.eastus.inference.ml.azure.com/completions?{V}"),
    ("https://ep.eastus.inference.ml.azure.com/score", f"https://ep.eastus.inference.ml.azure.com/completions?{V}"),
    ("https://ep.eastus.inference.ml.azure.com/v1", "https://ep.eastus.inference.ml.azure.com/v1/completions"),
    ("https://r.services.ai.azure.com/models", f"https://r.services.ai.azure.com/models/completions?{V}"),
    (
        "https://r.openai.azure.com/openai/deployments/d",
        f"https://r.openai.azure.com/openai/deployments/d/completions?{V}",
    ),
    (
        "https://r.openai.azure.com/openai/deployments/d/completions?api-version=2024-02-01",
        "https://r.openai.azure.com/openai/deployments/d/completions?api-version=2024-02-01",
    ),
    ("https://r.openai.azure.com/openai/v1/", "https://r.openai.azure.com/openai/v1/completions"),
    ("https://r.services.ai.azure.com/openai/v1", "https://r.services.ai.azure.com/openai/v1/completions"),
    ("https://models.inference.ai.azure.com", f"https://models.inference.ai.azure.com/completions?{V}"),
    ("http://localhost:11434/v1", "http://localhost:11434/v1/completions"),
]

PASTES = [
    (f"{MAAS}/", f"{MAAS}/completions?{V}"),
    (f"{MAAS}//", f"{MAAS}/completions?{V}"),
    (f"{MAAS}/completions", f"{MAAS}/completions?{V}"),
    (f"{MAAS}/completions/", f"{MAAS}/completions?{V}"),
    (f"{MAAS}/chat/completions", f"{MAAS}/completions?{V}"),
    (f"{MAAS}/chat/completions/", f"{MAAS}/completions?{V}"),
    (f"{MAAS}/v1/chat/completions", f"{MAAS}/v1/completions"),
    (
        "https://r.openai.azure.com/openai/deployments/d/chat/completions?api-version=2024-02-01",
        "https://r.openai.azure.com/openai/deployments/d/completions?api-version=2024-02-01",
    ),
    (f"{MAAS}/score/", f"{MAAS}/completions?{V}"),
    (f"{MAAS}/my-completions", f"{MAAS}/my-completions/completions?{V}"),
    (f"{MAAS}/underscore", f"{MAAS}/underscore/completions?{V}"),
    (f"{MAAS}/chat", f"{MAAS}/chat/completions?{V}"),
    (f"{MAAS}/X/", f"{MAAS}/X/completions?{V}"),
    (f"  {MAAS}\n", f"{MAAS}/completions?{V}"),
    (f"{MAAS}#fragment", f"{MAAS}/completions?{V}"),
    (f"{MAAS}/?a=1#f?b=2", f"{MAAS}/completions?a=1&{V}"),
    (f"{MAAS}?a=b%20c&flag&d=%2B+&e=", f"{MAAS}/completions?a=b%20c&flag&d=%2B+&e=&{V}"),
    (f"{MAAS}?API-Version=x", f"{MAAS}/completions?API-Version=x"),
    (f"{MAAS}?api%2Dversion=x", f"{MAAS}/completions?api%2Dversion=x"),
    (f"{MAAS}?q=é&u=http://x/?y", f"{MAAS}/completions?q=%C3%A9&u=http://x/?y&{V}"),
    (f"{MAAS}/mödel a".replace(" ", "%20"), f"{MAAS}/m%C3%B6del%20a/completions?{V}"),
    ("HTTPS://N.EastUS2.Models.AI.Azure.COM/Path", f"https://n.eastus2.models.ai.azure.com/Path/completions?{V}"),
    ("https://example.com:443", f"https://example.com/completions?{V}"),
    ("https://example.com:8443", f"https://example.com:8443/completions?{V}"),
    ("http://example.com:80", f"http://example.com/completions?{V}"),
    ("http://example.com:443", f"http://example.com:443/completions?{V}"),
    ("https://example.com.", f"https://example.com./completions?{V}"),
    ("example.com", f"https://example.com/completions?{V}"),
    ("example.com:8443/v1", "https://example.com:8443/v1/completions"),
    ("example.com/?u=http://x", f"https://example.com/completions?u=http://x&{V}"),
    ("localhost:8080", f"http://localhost:8080/completions?{V}"),
    ("127.0.0.1:8080/v1", "http://127.0.0.1:8080/v1/completions"),
    ("[::1]:8080", f"http://[::1]:8080/completions?{V}"),
    ("https://[::1]", f"https://[::1]/completions?{V}"),
    ("https://[2001:DB8::1]:8443/v1", "https://[2001:db8::1]:8443/v1/completions"),
    ("https://192.168.0.1", f"https://192.168.0.1/completions?{V}"),
    ("https://bücher.example", f"https://xn--bcher-kva.example/completions?{V}"),
    ("https://\uff45xample.com", f"https://example.com/completions?{V}"),
    ("https://xn--bcher-kva.example", f"https://xn--bcher-kva.example/completions?{V}"),
    ("https://under_score.example", f"https://under_score.example/completions?{V}"),
]


@pytest.mark.parametrize(("pasted", "url"), KINDS + PASTES)
def test_what_is_pasted_becomes_the_completions_url(pasted: str, url: str) -> None:
    resolved = endpoint.resolve(pasted)
    assert resolved.url == url
    assert resolved.url.startswith(resolved.origin + "/")
    assert resolved.is_encrypted is url.startswith("https://")
    assert resolved.is_loopback is any(name in url for name in ("//localhost", "//127.0.0.1", "//[::1]"))


@pytest.mark.parametrize(
    ("pasted", "api_version", "query"),
    [
        (MAAS, None, f"?{V}"),
        (MAAS, "2025-05-01", "?api-version=2025-05-01"),
        (MAAS, "none", ""),
        (f"{MAAS}/v1", None, ""),
        (f"{MAAS}/v1", "2025-05-01", "?api-version=2025-05-01"),
        (f"{MAAS}/v1", "none", ""),
        (f"{MAAS}?api-version=x", None, "?api-version=x"),
        (f"{MAAS}?api-version=", None, "?api-version="),
        (f"{MAAS}?api-version=x&a=1&api-version=y", "2025-05-01", "?a=1&api-version=2025-05-01"),
        (f"{MAAS}?API-VERSION=x", "2025-05-01", "?api-version=2025-05-01"),
        (f"{MAAS}?api-version=x", "none", ""),
        (f"{MAAS}?api-version=x=y", "a/b", "?api-version=a%2Fb"),
        (f"{MAAS}?api-version=x&a=1", "none", "?a=1"),
        (MAAS, "2025 05&x=1#é", "?api-version=2025%2005%26x%3D1%23%C3%A9"),
    ],
)
def test_the_api_version_is_the_options_then_the_urls_then_the_references(
    pasted: str, api_version: str | None, query: str
) -> None:
    path = "/v1/completions" if "/v1" in pasted else "/completions"
    assert endpoint.resolve(pasted, api_version).url == f"{MAAS}{path}{query}"


@pytest.mark.parametrize(
    "pasted",
    [
        "",
        "   ",
        "https://",
        "https:///path",
        "https://?a=1",
        "//example.com",
        "/completions",
        "foundry",
        "sk_0123-abc",
        "https:/example.com",
        "http:example.com",
        "ftp://example.com",
        "file:///etc/passwd",
        "unix://socket",
        "javascript:alert(1)",
        "https://exa mple.com",
        "https://example.com/a b",
        "https://example.com\\@evil.example",
        "https://example.com/\x00",
        "https://example.com/\x7f",
        "https://example.com/a\nb",
        "https://example.com:port",
        "https://example.com:65536",
        "https://example.com:-1",
        "https://[::1",
        "https://::1]",
        "https://[nonsense]",
        "https://[fe80::1%25eth0]",
        "https://a..b",
        "https://.example.com",
        "https://" + "a" * 64 + ".com",
        "https://127.0.0.300",
        "https://127.0.0",
        "https://8080",
        "https://exa<mple.com",
        "https://exam%70le.com",
        "https://\u00b4.example",
        "https://\u2102\u2100.example",
    ],
)
def test_what_is_no_endpoint_is_refused(pasted: str) -> None:
    for ask in (endpoint.resolve, endpoint.origin):
        with pytest.raises(ConfigError) as caught:
            ask(pasted)
        assert caught.value.hint


@pytest.mark.parametrize(
    "pasted",
    [
        "https://user:hunter2@example.com",
        "https://hunter2@example.com",
        "https://@example.com",
        "hunter2@example.com",
        "https://user:hunter2@example.com:port",
        "https://user:hunter2@exa mple.com",
        "https://user:hunter2@[::1",
        "ftp://user:hunter2@example.com",
    ],
)
def test_a_password_in_an_endpoint_is_refused_and_never_repeated(pasted: str) -> None:
    with pytest.raises(ConfigError, match="user name or password") as caught:
        endpoint.resolve(pasted)
    assert "hunter2" not in caught.value.message + str(caught.value.hint)


def test_an_at_sign_after_the_host_is_no_password() -> None:
    assert endpoint.resolve("https://example.com/a@b?c=d@e").url == f"https://example.com/a@b/completions?c=d@e&{V}"


@pytest.mark.parametrize(
    ("host", "is_loopback"),
    [
        ("localhost", True),
        ("api.localhost", False),
        ("127.0.0.1", True),
        ("127.255.0.1", True),
        ("::1", True),
        ("0.0.0.0", True),  # noqa: S104 - where it is connected to
        ("::", True),
        ("::ffff:7f00:1", True),
        ("::ffff:0:0", True),
        ("::ffff:8000:1", False),
        ("0.0.0.1", False),
        ("localhost.", False),
        ("128.0.0.1", False),
        ("localhost.example.com", False),
        ("notlocalhost", False),
        ("127.0.0.1.example.com", False),
        ("::2", False),
        ("", False),
    ],
)
def test_loopback_is_what_can_only_mean_this_machine(host: str, *, is_loopback: bool) -> None:
    assert endpoint.is_loopback(host) is is_loopback


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://Example.com:443/a?b#c", "https://example.com"),
        ("https://example.com:444", "https://example.com:444"),
        ("example.com", "https://example.com"),
        ("http://[::1]:80/x", "http://[::1]"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
    ],
)
def test_the_origin_is_scheme_host_and_port(text: str, origin: str) -> None:
    assert endpoint.origin(text) == origin
    assert endpoint.resolve(text).origin == origin


PARTS = """http https :// : / // ? # @ [ ] ::1 localhost 127.0.0.1 a.b %41 % é ß \uff41 xn-- .. . - _ < | ^ { ~ ` " ' \\ 8080
    99999 v1 score chat/completions api-version = & api-version=x + %20 ٣ 。 \u200b \u00ad \u00b4 \u2102"""
pastes = st.text(max_size=20) | st.lists(st.sampled_from(PARTS.split(" ")), max_size=10).map("".join)


@given(pastes | pastes.map("https://".__add__))
@example("https://\u2102")
def test_any_text_is_an_endpoint_or_refused_and_means_the_same_to_the_http_library(text: str) -> None:
    try:
        resolved = endpoint.resolve(text)
    except ConfigError:
        return
    assert resolved.url.isascii()
    assert endpoint.resolve(resolved.url) == resolved
    seen = httpx.URL(resolved.url)
    host = seen.raw_host.decode()
    port = f":{seen.port}" if seen.port else ""
    assert resolved.host == host
    assert resolved.origin == f"{seen.scheme}://{f'[{host}]' if ':' in host else host}{port}"
    assert seen.path.endswith("/completions")


@pytest.mark.parametrize(
    "text", ["http://127.0.0.1:", "http://127.0.0.1:/v1", "https://[::1]:", "localhost:", "http://127.0.0.1:0"]
)
def test_a_port_is_a_number_from_1_on(text: str) -> None:
    with pytest.raises(ConfigError, match="is not a URL"):
        endpoint.resolve(text)


@pytest.mark.parametrize(
    "before",
    [
        "http://127.0.0.1:9x/v1",
        "http://h:99999/v1",
        "http:///v1",
        "http://a b/v1",
        "http://h/v1 ",
        "h:",
        "htp://h/v1",
        "::",
    ],
)
@pytest.mark.parametrize("query", ["?sig={}", "?a=1&api-key={}", "?code={}#x", "?sig={} ", "?x?token={}"])
def test_what_is_refused_as_a_url_shows_no_secret_of_its_query(before: str, query: str) -> None:
    secret = "Zq7Canary9Xw3Lmn5Rt8Vb2"
    with pytest.raises(ConfigError) as refusal:
        endpoint.resolve(before + query.format(secret))
    error = refusal.value
    shown = [error.message, str(error.hint), repr(error), repr(error.__cause__), repr(error.__context__)]
    assert not [text for text in shown if secret in text]
