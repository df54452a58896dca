"""The TLS context: certificates are checked against the system's store, or against a file the user names."""

import ssl
from pathlib import Path

from completions_cli.errors import ConfigError


def context(ca_bundle: str | None, source: str = "ca_bundle") -> ssl.SSLContext:
    """Build the context for a client. `ca_bundle` is a PEM file or a folder of hashed certificates.

    Raises ConfigError that names `source` when the file cannot be read.
    """
    if ca_bundle is None:
        import truststore

        system = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if not has_system_store():
            import certifi

            system.load_verify_locations(certifi.where())
        return system
    path = Path(ca_bundle).expanduser()
    try:
        if path.is_dir():
            return ssl.create_default_context(capath=str(path))
        return ssl.create_default_context(cafile=str(path))
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror if isinstance(error, FileNotFoundError | PermissionError) else "no certificates in it"
        raise ConfigError(
            f"CA file {ca_bundle} ({source}): {reason}",
            hint=f"Point {source} at a PEM file, or unset it to use the system's store.",
        ) from error


def has_system_store() -> bool:
    """Return whether OpenSSL's default places hold anything; macOS and Windows have stores of their own."""
    import sys

    if sys.platform in ("darwin", "win32"):
        return True
    paths = ssl.get_default_verify_paths()
    return bool(paths.cafile or (paths.capath and any(Path(paths.capath).iterdir())))
