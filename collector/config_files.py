"""The files that settings name: keys, certificates, tables. Checked at the start; all faults are reported together."""

import ssl
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from collector.config_http import half_a_certificate
from collector.config_section import told
from collector.errors import how_to_install
from collector.model import Region
from collector.pseudonym import KEY_BYTES

if TYPE_CHECKING:
    from collector.config import Settings
    from collector.config_access import OidcSettings
    from collector.config_broker import BrokerSettings
    from collector.config_clickhouse import ClickHouseSettings
    from collector.config_console import ConsoleSettings
    from collector.config_http import ApiSettings
    from collector.config_postgres import PostgresSettings
    from collector.config_regions import RegionSettings

TOKEN_BYTES: Final = 32
"""The shortest secret that opens the API."""
_NO_PASSPHRASE: Final = ""
"""With none at all, OpenSSL would ask at the terminal for every connection, and everything would wait meanwhile."""
_DRIVERS: Final = {"postgresql": "asyncpg", "clickhouse": "clickhouse_connect"}
_EXTRAS: Final = {"asyncpg": "postgres", "clickhouse_connect": "clickhouse"}
"""What to install for a driver."""


def tls_context(peer: "BrokerSettings | PostgresSettings | ClickHouseSettings") -> ssl.SSLContext | None:
    """TLS 1.2 or newer with a verified peer (O78), or None for one on this machine without TLS.

    Raises:
        ssl.SSLError, OSError: a file cannot be used.
    """
    if not peer.tls:
        return None
    context = ssl.create_default_context(cafile=peer.ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if peer.cert_file is not None:
        context.load_cert_chain(peer.cert_file, peer.key_file, _NO_PASSPHRASE)
    return context


def file_faults(settings: "Settings") -> list[str]:
    """What is wrong with the files that the settings name, one sentence each."""
    return told(
        lambda: _unreadable("broker", settings.broker, "password_file"),
        lambda: _unreadable("regions", settings.regions, "tables"),
        lambda: _unreadable("consent", settings.consent, "policies"),
        lambda: _tls_faults("broker", settings.broker),
        lambda: _api_faults(settings.api),
        lambda: [fault for region in settings.regions.read for fault in _region_faults(region, settings)],
        lambda: _listener_faults("console", settings.console),
        lambda: _provider_faults(settings.console.oidc),
    )


def _region_faults(region: Region, settings: "Settings") -> list[str]:
    own = settings.regions.of(region)
    return told(
        lambda: [fault for file in own.key_files for fault in _key_faults(region, file, own)],
        *(partial(_driven, region, own, name) for name in _DRIVERS),
    )


def _driven(region: Region, own: "RegionSettings", name: str) -> list[str]:
    database = getattr(own, name)
    return [] if database is None else database_faults(f"regions.{region}.{name}", database, _DRIVERS[name])


def _tls_faults(section: str, peer: "BrokerSettings | PostgresSettings | ClickHouseSettings") -> list[str]:
    if faults := _unreadable(section, peer, "ca_file", "cert_file", "key_file"):
        return faults
    if any(half_a_certificate(peer)):
        return []  # told already
    try:
        tls_context(peer)
    except (ssl.SSLError, OSError) as error:
        return [_unusable(section, error)]
    return []


def database_faults(
    section: str, database: "PostgresSettings | ClickHouseSettings", driver: str = "asyncpg"
) -> list[str]:
    """What is wrong with the files that a database's settings name, and whether its driver is missing."""
    return told(
        lambda: _secret_faults(section, "password_file", database.password_file),
        lambda: _driver_faults(section, driver),
        lambda: _tls_faults(section, database),
    )


def _driver_faults(section: str, driver: str) -> list[str]:
    if find_spec(driver) is not None:
        return []
    return [f"{section}: found no {driver} to talk to it. {how_to_install(_EXTRAS[driver])}"]


def _secret_faults(section: str, name: str, file: Path | None) -> list[str]:
    """What is wrong with a file that nobody else may read."""
    if file is None:
        return []
    if isinstance(found := content_of(file), str):
        return [f"{section}.{name}: {file}: {found}. Correct the path."]
    mode = file.stat().st_mode & 0o777
    return (
        [f"{section}.{name}: {file}: found mode {mode:o}, expected 600. Run: chmod 600 {file}"] if mode & 0o077 else []
    )


def _api_faults(api: "ApiSettings") -> list[str]:
    return told(lambda: _token_faults(api), lambda: _listener_faults("api", api)) if api.enabled else []


def _token_faults(api: "ApiSettings") -> list[str]:
    """The secrets open everything the API can do, so they are checked as strictly as keys."""
    if api.token_file is None:
        return []  # told already
    faults = []
    command = f"openssl rand -hex 32 > {api.token_file} && chmod 600 {api.token_file}"
    try:
        tokens, mode = read_tokens(api), api.token_file.stat().st_mode & 0o777
    except OSError as error:
        return [f"api.token_file: {api.token_file}: {error.strerror}. Create it with: {command}"]
    if not tokens or min(map(len, tokens)) < TOKEN_BYTES:
        faults.append(
            f"api.token_file: {api.token_file}: found no secret, or one of fewer than {TOKEN_BYTES} characters. "
            f"Create it with: {command}"
        )
    if mode & 0o077:
        faults.append(
            f"api.token_file: {api.token_file}: found mode {mode:o}, expected 600. Run: chmod 600 {api.token_file}"
        )
    return faults


def _listener_faults(section: str, listener: "ApiSettings | ConsoleSettings") -> list[str]:
    if faults := _unreadable(section, listener, "cert_file", "key_file"):
        return faults
    if any(half_a_certificate(listener)):
        return []  # told already
    try:
        server_context(listener)
    except (ssl.SSLError, OSError) as error:
        return [_unusable(section, error)]
    return []


def _unusable(section: str, error: OSError) -> str:
    reason = getattr(error, "reason", None) or type(error).__name__
    return (
        f"{section}: the TLS files cannot be used ({reason}). Expected PEM files, and a key without a passphrase that "
        f"fits cert_file."
    )


def _provider_faults(oidc: "OidcSettings") -> list[str]:
    if not oidc.enabled:
        return []
    return told(
        lambda: _secret_faults("console.oidc", "client_secret_file", oidc.client_secret_file),
        lambda: _unreadable("console.oidc", oidc, "ca_file"),
    )


def read_tokens(api: "ApiSettings") -> list[bytes]:
    """The secrets of those who may call the API, one a line; several while they are being changed.

    Raises:
        OSError: the file cannot be read.
    """
    lines = api.token_file.read_bytes().splitlines() if api.token_file else []
    return [line.strip() for line in lines if line.strip()]


def server_context(api: "ApiSettings | ConsoleSettings") -> ssl.SSLContext | None:
    """TLS 1.2 or newer for a listener of ours, or None for one on this machine without TLS.

    Raises:
        ssl.SSLError, OSError: a file cannot be used.
    """
    if api.cert_file is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(api.cert_file, api.key_file, _NO_PASSPHRASE)
    return context


def _key_faults(region: Region, file: Path, own: "RegionSettings") -> list[str]:
    where, command = f"regions.{region}.key_files", f"openssl rand -out {file} {KEY_BYTES} && chmod 600 {file}"
    try:
        found = file.stat()
        secret = file.read_bytes()
    except FileNotFoundError:
        return [f"{where}: {file}: no such file{_in_place_of_a_key(own.store, 'Create it', command)}"]
    except OSError as error:
        return [f"{where}: {file}: {error.strerror}. Make it a file that the collector can read."]
    faults = []
    if len(secret) != KEY_BYTES:
        instead = _in_place_of_a_key(own.store, "Create one", command)
        faults.append(f"{where}: {file}: found {len(secret)} bytes, expected {KEY_BYTES}{instead}")
    if found.st_mode & 0o077:
        faults.append(f"{where}: {file}: found mode {found.st_mode & 0o777:o}, expected 600. Run: chmod 600 {file}")
    return faults


def _in_place_of_a_key(store: Path | None, make: str, command: str) -> str:
    """What to do about a key that is missing or no key."""
    if store is not None and _is_there(store):
        lost = "Restore it from your backup: under a new key routers that left would be let in again."
        return f", while {store} exists. {lost}"
    return f". {make} with: {command}"


def _is_there(file: Path) -> bool:
    try:
        return file.exists()
    except OSError:  # such as a name that is too long, or a folder that may not be read
        return False


def _unreadable(section: str, settings: object, *names: str) -> list[str]:
    """A fault for each file that the settings of a section name and that cannot be read."""
    return told(*(partial(_unreadable_file, section, settings, name) for name in names))


def _unreadable_file(section: str, settings: object, name: str) -> Iterator[str]:
    file: Path | None = getattr(settings, name)
    if file is not None and isinstance(found := content_of(file), str):
        yield f"{section}.{name}: {file}: {found}. Correct the path."


def content_of(file: Path) -> bytes | str:
    """What is in a file, or why it cannot be read."""
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return "no such file"
    except OSError as error:
        return str(error.strerror)
