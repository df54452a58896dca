"""OAuth2 against a local authority over TLS: tokens, refusals, and an authority that is slow or broken."""

import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from keyring.backend import KeyringBackend

from completions_cli.auth import entra
from completions_cli.auth.bearer import EntraCredentials
from completions_cli.auth.entra import Application, ClientCredentialsFlow
from completions_cli.auth.keyring_store import KeyringStore
from completions_cli.auth.secret import Secret
from completions_cli.auth.token import Token, TokenCache
from completions_cli.errors import (
    AuthError,
    CompletionsError,
    ConfigError,
    MalformedResponseError,
    NetworkError,
    RateLimitError,
    RequestTimeoutError,
    ServerError,
)
from completions_cli.models import HttpRequest
from completions_cli.transport.connection import Connection
from tests.auth.authority import WRONG_SECRET, Authority, running
from tests.auth.keyring_backends import FileKeyring, RaisingKeyring
from tests.clock import Clock
from tests.spellings import SPELLINGS

SECRET = "canary~client.secret"


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[Authority]:
    with running(tmp_path) as started:
        yield started


@pytest.fixture
def clock() -> Clock:
    return Clock(1_000_000.0)


def flow(authority: Authority, url: str | None = None, connection: Connection | None = None) -> ClientCredentialsFlow:
    application = Application("contoso.com", "client-1", "https://ml.azure.com/.default", url or authority.url)
    trusting = replace(connection or Connection(), ca_bundle=str(authority.ca_file))
    return ClientCredentialsFlow(application, lambda: Secret(SECRET), trusting)


def token(credentials: EntraCredentials) -> str:
    return credentials.headers().reveal()["authorization"].removeprefix("Bearer ")[:7]


def test_the_secret_is_traded_for_a_token(authority: Authority, clock: Clock) -> None:
    credentials = EntraCredentials(flow(authority), clock=clock)
    assert token(credentials) == "token-1"
    assert token(credentials) == "token-1"
    assert authority.paths == ["/contoso.com/oauth2/v2.0/token"]
    assert authority.forms == [
        {
            "client_id": "client-1",
            "scope": "https://ml.azure.com/.default",
            "client_secret": SECRET,
            "grant_type": "client_credentials",
        }
    ]


def test_a_token_is_renewed_five_minutes_before_it_expires(authority: Authority, clock: Clock) -> None:
    credentials = EntraCredentials(flow(authority), clock=clock)
    token(credentials)
    clock.now += 3599 - 301
    assert token(credentials) == "token-1"
    clock.now += 2
    assert token(credentials) == "token-2"


@pytest.mark.parametrize(
    ("lifetime", "first", "second"), [("3599", 3000, 400), (200, 99, 2), (0, 0, 0), (1e9, 80_000, 7000)]
)
def test_any_lifetime_is_made_the_best_of(
    authority: Authority, clock: Clock, lifetime: object, first: float, second: float
) -> None:
    authority.lifetime = lifetime
    credentials = EntraCredentials(flow(authority), clock=clock)
    token(credentials)
    clock.now += first
    again = token(credentials)
    assert again == ("token-1" if first else "token-2")
    clock.now += second
    assert token(credentials) != again


@pytest.mark.parametrize("lifetime", [None, "?"])
def test_a_token_of_unknown_life_is_used_until_it_is_refused(
    authority: Authority,
    clock: Clock,
    lifetime: object,
    tmp_path: Path,
    use_keyring: Callable[[KeyringBackend], None],
) -> None:
    use_keyring(FileKeyring(tmp_path / "keyring.json"))
    authority.lifetime = lifetime
    credentials = EntraCredentials(flow(authority), cache(), clock)
    assert token(credentials) == token(credentials) == "token-1"
    clock.now += 7 * 86400
    assert token(credentials) == "token-1"
    assert credentials.refresh()
    assert token(credentials) == "token-2"
    assert cache().load(clock.now) is None


@pytest.mark.parametrize("jump", [-7 * 86400, -3600, -1, 3600, 7 * 86400])
def test_a_clock_that_jumps_costs_one_new_token(authority: Authority, clock: Clock, jump: float) -> None:
    credentials = EntraCredentials(flow(authority), clock=clock)
    token(credentials)
    clock.now += jump
    assert [token(credentials) for _ in range(3)] == ["token-2"] * 3


def test_a_refused_token_is_replaced(authority: Authority, clock: Clock) -> None:
    credentials = EntraCredentials(flow(authority), clock=clock)
    assert not credentials.refresh()
    assert token(credentials) == "token-1"
    assert credentials.refresh()
    assert token(credentials) == "token-2"
    assert token(credentials) == "token-2"


def test_many_threads_fetch_one_token(authority: Authority, clock: Clock) -> None:
    credentials = EntraCredentials(flow(authority), clock=clock)
    with ThreadPoolExecutor(16) as pool:
        tokens = set(pool.map(lambda _: token(credentials), range(64)))
    assert tokens == {"token-1"}
    assert len(authority.forms) == 1


# The cache


def cache(*identity: str) -> TokenCache:
    return TokenCache(KeyringStore({}), "p@https://h token", identity)


def test_a_token_is_kept_in_the_keyring_and_found_by_the_next_run(
    authority: Authority, clock: Clock, tmp_path: Path, use_keyring: Callable[[KeyringBackend], None]
) -> None:
    use_keyring(FileKeyring(tmp_path / "keyring.json"))
    first = EntraCredentials(flow(authority), cache("me"), clock)
    assert token(first) == "token-1"
    assert token(EntraCredentials(flow(authority), cache("me"), clock)) == "token-1"
    assert len(authority.forms) == 1
    assert token(EntraCredentials(flow(authority), cache("another"), clock)) == "token-2"
    clock.now += 3300
    assert token(EntraCredentials(flow(authority), cache("another"), clock)) == "token-3"
    clock.now -= 30 * 86400
    assert token(EntraCredentials(flow(authority), cache("another"), clock)) == "token-4"


def test_a_refused_token_is_not_taken_from_the_cache_again(
    authority: Authority, clock: Clock, tmp_path: Path, use_keyring: Callable[[KeyringBackend], None]
) -> None:
    use_keyring(FileKeyring(tmp_path / "keyring.json"))
    EntraCredentials(flow(authority), cache(), clock).headers()
    later = EntraCredentials(flow(authority), cache(), clock)
    assert token(later) == "token-1"
    assert later.refresh()
    assert token(later) == "token-2"
    assert token(EntraCredentials(flow(authority), cache(), clock)) == "token-2"


@pytest.mark.parametrize(("lifetime", "left", "again"), [(3600, 301, False), (3600, 299, True), (240, 239, True)])
def test_a_token_in_its_last_five_minutes_is_not_for_the_next_run(
    authority: Authority,
    clock: Clock,
    tmp_path: Path,
    use_keyring: Callable[[KeyringBackend], None],
    lifetime: float,
    left: float,
    again: bool,
) -> None:
    use_keyring(FileKeyring(tmp_path / "keyring.json"))
    authority.lifetime = lifetime
    assert token(EntraCredentials(flow(authority), cache(), clock)) == "token-1"
    clock.now += lifetime - left
    assert token(EntraCredentials(flow(authority), cache(), clock)) == ("token-2" if again else "token-1")


def test_without_a_keyring_the_run_goes_on(
    authority: Authority, clock: Clock, tmp_path: Path, use_keyring: Callable[[KeyringBackend], None]
) -> None:
    assert token(EntraCredentials(flow(authority), cache(), clock)) == "token-1"
    use_keyring(RaisingKeyring(tmp_path / "k"))
    assert token(EntraCredentials(flow(authority), cache(), clock)) == "token-2"


@pytest.mark.parametrize("kept", ["", "nonsense", "[]", "{}", '{"identity":[],"expires":"x","issued":1,"token":"t"}'])
def test_a_damaged_cache_is_no_token(
    tmp_path: Path, clock: Clock, kept: str, use_keyring: Callable[[KeyringBackend], None]
) -> None:
    use_keyring(FileKeyring(tmp_path / "keyring.json"))
    KeyringStore({}).set("p@https://h token", kept)
    assert cache().load(clock.now) is None


# Refusals


@pytest.mark.parametrize(
    ("answer", "refusal"),
    [
        ((401, WRONG_SECRET), (AuthError, "AADSTS7000215: Invalid client secret provided", "value, not its id")),
        ((401, {"error_description": "AADSTS7000222: The keys are expired."}), (AuthError, "expired", "new one")),
        ((400, {"error_description": "AADSTS90002: Tenant 'x' not found."}), (ConfigError, "Tenant 'x'", "tenant_id")),
        ((400, {"error_description": "AADSTS700016: Application not found"}), (ConfigError, "Applic", "client_id")),
        ((400, {"error_description": "AADSTS70011: The scope is not valid."}), (ConfigError, "scope", "scope")),
        ((400, {"error": "unauthorized_client", "error_description": "no"}), (AuthError, "no", "client secret")),
        ((403, b"<html><h1>Forbidden by proxy</h1></html>"), (AuthError, "Forbidden by proxy", "authority")),
        ((404, b""), (CompletionsError, "Not Found", "authority")),
        ((503, b""), (ServerError, "Service Unavailable", "sign-in server")),
        (
            (503, {"error_description": "AADSTS90033: A transient error."}),
            (ServerError, "AADSTS90033", "sign-in server"),
        ),
        (
            (500, {"error": "x", "error_description": "AADSTS700016: no"}),
            (ServerError, "AADSTS700016", "sign-in server"),
        ),
        ((429, {"error_description": "AADSTS90055: Too many."}), (RateLimitError, "AADSTS90055", "sign-in server")),
        ((429, b""), (RateLimitError, "no token from the sign-in server localhost:", "sign-in server")),
        ((200, b"<html>hello</html>"), (MalformedResponseError, "the sign-in server localhost:", "authority")),
        ((200, {"access_token": 5}), (MalformedResponseError, "the sign-in server localhost:", "authority")),
        ((200, {"access_token": "t", "token_type": "pop"}), (MalformedResponseError, "than Bearer", "scope")),
        ((200, {"access_token": "a b"}), (ConfigError, "characters that no key has", "")),
        ((307, {"location": "https://elsewhere.example/x"}), (NetworkError, "https://elsewhere.example", "authority")),
    ],
)
def test_a_refusal_reaches_the_user_in_words(
    authority: Authority, clock: Clock, answer: tuple[int, object], refusal: tuple[type[CompletionsError], str, str]
) -> None:
    kind, said, hint = refusal
    authority.answers = [answer]
    with pytest.raises(kind) as caught:
        EntraCredentials(flow(authority), clock=clock).headers()
    assert said in caught.value.message
    assert hint in str(caught.value.hint)
    assert SECRET not in caught.value.message
    assert "Trace ID" not in caught.value.message
    assert len(authority.forms) == 1


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_token_that_holds_the_client_secret_is_refused(authority: Authority, clock: Clock, spelling: str) -> None:
    spelled = re.sub(r"[^\x21-\x7e]", "", SPELLINGS[spelling](SECRET)) or SECRET
    credentials = EntraCredentials(flow(authority), clock=clock)
    for held in (f"Bearer.{spelled}", f"aaa.{spelled}.ccc", SECRET[3:15]):
        authority.answers = [(200, {"access_token": held})]
        with pytest.raises(MalformedResponseError, match=r"no token: the sign-in server localhost:\d+ gave") as caught:
            credentials.headers()
        assert held not in caught.value.message
    assert token(credentials) == "token-1"


def test_an_authority_whose_certificate_is_not_trusted_gets_no_secret(authority: Authority, clock: Clock) -> None:
    application = Application("contoso.com", "client-1", "s", authority.url)
    untrusting = ClientCredentialsFlow(application, lambda: Secret(SECRET), Connection())
    with pytest.raises(NetworkError, match=r"no token: TLS with the sign-in server localhost:\d+ failed"):
        untrusting.fetch(clock.now)
    assert authority.forms == []


def test_a_silent_authority_is_a_timeout(authority: Authority, clock: Clock) -> None:
    authority.silence = threading.Event()
    with pytest.raises(RequestTimeoutError, match="no token: "):
        flow(authority, connection=Connection(timeout=0.3)).fetch(clock.now)


def test_an_authority_that_is_not_there_is_a_network_error_worth_a_retry(authority: Authority, clock: Clock) -> None:
    authority.stop()
    with pytest.raises(NetworkError, match="no token: ") as caught:
        flow(authority).fetch(clock.now)
    assert caught.value.retryable
    assert "Check authority" in str(caught.value.hint)


def test_the_secret_is_not_read_while_a_token_is_kept(
    authority: Authority, clock: Clock, tmp_path: Path, use_keyring: Callable[[KeyringBackend], None]
) -> None:
    use_keyring(FileKeyring(tmp_path / "keyring.json"))
    cache().save(Token(Secret("kept"), clock.now, clock.now + 3600), clock.now)

    def never() -> Secret:
        raise AssertionError("the secret was read")

    application = Application("contoso.com", "c", "s", authority.url)
    source = ClientCredentialsFlow(application, never, Connection())
    assert EntraCredentials(source, cache(), clock).headers().reveal() == {"authorization": "Bearer kept"}


@pytest.mark.parametrize("tenant", ["common", "common.", "Organizations", "consumers", "a/b", "a?b", "", "..", "a b"])
def test_a_tenant_of_nobodys_own_is_refused_before_the_secret_is_read(authority: Authority, tenant: str) -> None:
    def never() -> Secret:
        raise AssertionError("the secret was read")

    with pytest.raises(ConfigError, match="tenant_id"):
        ClientCredentialsFlow(Application(tenant, "c", "s", authority.url), never, Connection())
    assert authority.forms == []


@pytest.mark.parametrize(
    ("authority", "url"),
    [
        ("login.microsoftonline.us", "https://login.microsoftonline.us"),
        ("https://login.example/", "https://login.example"),
        ("https://login.example/adfs/", "https://login.example/adfs"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
    ],
)
def test_an_authority_can_be_chosen(authority: str, url: str) -> None:
    assert entra.check_authority(authority) == url


@pytest.mark.parametrize("authority", ["http://login.example", "ftp://login.example", "", "https://x/?a=b", "https://"])
def test_an_authority_that_must_not_see_a_secret_is_refused(authority: str) -> None:
    with pytest.raises(ConfigError):
        entra.check_authority(authority)


def test_the_trace_shows_neither_secret_nor_token(authority: Authority, clock: Clock) -> None:
    class Recorder:
        def __init__(self) -> None:
            self.seen: list[object] = []

        def request(self, request: HttpRequest) -> None:
            self.seen.append(request)

        def response(self, version: str, status: int, reason: str, headers: object) -> None:
            self.seen.append((version, status, reason, headers))

        def body(self, received: bytes) -> None:
            self.seen.append(received)

    recorder = Recorder()
    application = Application("contoso.com", "c", "s", authority.url)
    connection = Connection(ca_bundle=str(authority.ca_file))
    ClientCredentialsFlow(application, lambda: Secret(SECRET), connection, recorder).fetch(clock.now)
    assert len(recorder.seen) == 2
    assert SECRET not in str(recorder.seen)
    assert "token-1" not in str(recorder.seen)
