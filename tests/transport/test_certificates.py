"""A certificate that is refused: what is wrong with it is said in the same words by all callers, with what helps."""

import pytest

from completions_cli.transport import reports
from completions_cli.transport.certificates import explained
from completions_cli.transport.route import Peer

# What OpenSSL and rustls say.
WORDS = {
    "it has expired": [
        "certificate has expired",
        "certificate expired: verification time 1795867648 (UNIX), but certificate is not valid after 1580515200",
    ],
    "it is not valid yet": ["certificate is not yet valid", "certificate not valid yet: verification time 1 (UNIX)"],
    "it is for another host name": [
        "Hostname mismatch, certificate is not valid for 'service.test'.",
        "IP address mismatch, certificate is not valid for '127.0.0.1'.",
        'certificate not valid for name "service.test"; certificate is only valid for DnsName("other.test")',
    ],
    "it is self-signed": ["self-signed certificate", "self signed certificate"],
    "its issuer is not trusted": [
        "unable to get local issuer certificate",
        "unable to verify the first certificate",
        "self-signed certificate in certificate chain",
        "UnknownIssuer",
    ],
    "it is marked as a CA's own": ["Other(OtherError(CaUsedAsEndEntity))"],
    "it was revoked": ["certificate revoked", "Revoked"],
    "EE certificate key too weak": ["EE certificate key too weak"],
}


@pytest.mark.parametrize(("reason", "words"), [(reason, words) for words, all_ in WORDS.items() for reason in all_])
def test_either_library_is_put_into_the_same_words(reason: str, words: str) -> None:
    assert explained(reason)[0] == words
    assert words in str(reports.bad_certificate(Peer("endpoint", "service.test:443"), reason))


def test_a_ca_file_is_advised_only_where_it_helps() -> None:
    assert {words for words in WORDS if "--ca-bundle" in explained(WORDS[words][0])[1]} == {
        "it is self-signed",
        "its issuer is not trusted",
        "EE certificate key too weak",
    }


@pytest.mark.parametrize(
    ("reason", "hint"),
    [
        ("TLSV1_ALERT_PROTOCOL_VERSION", "TLS 1.2 or 1.3"),
        ("received fatal alert: ProtocolVersion", "TLS 1.2 or 1.3"),
        ("UNSUPPORTED_PROTOCOL", "TLS 1.2 or 1.3"),
        ("TLSV1_UNRECOGNIZED_NAME", "host name"),
        ("received fatal alert: UnrecognisedName", "host name"),
        ("SSLV3_ALERT_HANDSHAKE_FAILURE", "client certificate"),
        ("WRONG_VERSION_NUMBER", "Is the endpoint https"),
    ],
)
def test_an_alert_gets_the_advice_that_fits(reason: str, hint: str) -> None:
    assert hint in str(reports.no_tls(Peer("endpoint", "service.test:443"), reason).hint)
