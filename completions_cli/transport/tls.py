"""The TLS context: certificates are checked against the system's store, or against a file the user names."""

import errno
import os
import re
import shlex
import ssl
import stat
from pathlib import Path

from completions_cli import limits, opening, paths
from completions_cli.errors import ConfigError

_EMPTY = "no certificates in it"
# The hash of a subject and a number: how OpenSSL looks a certificate up in a folder.
_HASHED = re.compile(r"[0-9a-f]{8}\.[0-9]+")


def context(ca_bundle: str | None, source: str = "ca_bundle") -> ssl.SSLContext:
    """Build the context for a client. `ca_bundle` is a PEM file, a pipe with one, or a folder of hashed certificates.

    A certificate must name its host among its alternative names, as browsers and rustls want it: its common name is
    none that the authority has checked. Raises ConfigError that names `source` when the file cannot be read.
    """
    built = _system() if ca_bundle is None else _named(ca_bundle, source)
    built.hostname_checks_common_name = False
    return built


def _system() -> ssl.SSLContext:
    import truststore

    system = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if not has_system_store():
        import certifi

        system.load_verify_locations(certifi.where())
    return system


def _named(ca_bundle: str, source: str) -> ssl.SSLContext:
    path = paths.expanded(ca_bundle)
    try:
        if path.is_dir():
            _need_certificates(path, source)
            return ssl.create_default_context(capath=str(path))
        if opening.is_stream(path):  # OpenSSL would wait without a limit
            return _trusting(opening.read_stream(path, limits.CERTIFICATE_BYTES))
        return ssl.create_default_context(cafile=str(path))
    except (OSError, ssl.SSLError) as error:
        if error.filename is not None and Path(error.filename) != path:
            raise ConfigError(
                f"SSLKEYLOGFILE {error.filename}: {error.strerror}",
                hint="Name a file that can be written, or unset it.",
            ) from error
        is_plain = isinstance(error, FileNotFoundError | PermissionError | TimeoutError)
        reason = error.strerror if is_plain else _EMPTY
        raise no_certificates(ca_bundle, source, reason or _EMPTY) from error


def _trusting(pem: bytes) -> ssl.SSLContext:
    """Build a context from the content of a pipe; its comments may be in any encoding."""
    # With an empty text Python would trust the system's store.
    return ssl.create_default_context(cadata=pem.decode("ascii", "ignore") + "\n")


def no_certificates(ca_bundle: str, source: str, reason: str = _EMPTY) -> ConfigError:
    """Return the error for a file or folder without usable certificates."""
    return ConfigError(
        f"CA file {ca_bundle} ({source}): {reason}",
        hint=f"Point {source} at a PEM file, or unset it to use the system's store.",
    )


def _need_certificates(folder: Path, source: str) -> None:
    """Raise ConfigError for a folder in which OpenSSL would find nothing, and trust nobody."""
    if not any(_HASHED.fullmatch(file.name) for file in folder.iterdir()):
        raise ConfigError(
            f"CA folder {folder} ({source}): no certificates under the names that OpenSSL gives them",
            hint=f"Run: openssl rehash {shlex.quote(str(folder))}; or point {source} at a PEM file.",
        )


def client_identity(certificate: str, key: str | None) -> bytes:
    """Return the certificate and its key as one PEM text. Raises ConfigError that names the file at fault."""
    parts = []
    for file, setting in ((certificate, "client_cert"), (key, "client_key")):
        if file is not None:
            try:
                parts.append(_read(paths.expanded(file)))
            except OSError as error:
                raise _no_identity(file, setting, error.strerror or "it cannot be read") from error
    return b"\n".join(parts)


def _read(file: Path) -> bytes:
    with open(file, "rb", opener=opening.without_waiting) as opened:
        if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):  # it is read more than once
            raise OSError(errno.EINVAL, "it is not a regular file")
        return opened.read(limits.CERTIFICATE_BYTES)


def show_certificate(to: ssl.SSLContext, certificate: str, key: str | None) -> None:
    """Let a context show a certificate of ours. Raises ConfigError that names the file at fault."""
    client_identity(certificate, key)  # names a file that is not there
    certificate_file = paths.expanded(certificate)
    key_file = None if key is None else paths.expanded(key)
    try:
        # Without a password to try, OpenSSL asks for one on the terminal.
        to.load_cert_chain(certificate_file, key_file, password=lambda: "")
    except (ssl.SSLError, ValueError, OSError) as error:
        reason = (error.reason or "") if isinstance(error, ssl.SSLError) else str(error)
        words = reason.lower().replace("_", " ") or "no certificate and key in it, or the key is encrypted"
        raise _no_identity(f"{certificate} and {key}" if key else certificate, "client_cert", words) from error


def _no_identity(file: str, setting: str, reason: str) -> ConfigError:
    return ConfigError(
        f"{setting} {file}: {reason}",
        hint="client_cert and client_key are PEM files, the key without a password: openssl pkey -in KEY -out NEW",
    )


def has_system_store() -> bool:
    """Return whether OpenSSL's default places hold anything; macOS and Windows have stores of their own."""
    import sys

    if sys.platform in ("darwin", "win32"):
        return True
    paths = ssl.get_default_verify_paths()
    return bool(paths.cafile or (paths.capath and any(Path(paths.capath).iterdir())))
