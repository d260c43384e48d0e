"""The files that settings name: keys, certificates, tables. Checked at start, and told all at once."""

import ssl
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from collector.errors import how_to_install
from collector.model import Region
from collector.pseudonym import KEY_BYTES

if TYPE_CHECKING:
    from collector.config import BrokerSettings, Settings
    from collector.config_access import OidcSettings
    from collector.config_clickhouse import ClickHouseSettings
    from collector.config_console import ConsoleSettings
    from collector.config_http import ApiSettings
    from collector.config_postgres import PostgresSettings
    from collector.config_regions import RegionSettings

TOKEN_BYTES: Final = 32
"""The shortest secret that opens the API."""
_NO_PASSPHRASE: Final = ""
"""Without a word OpenSSL asks whoever sits at the terminal, with every connection, and everything waits meanwhile."""
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
    """What is wrong with the files that the settings name, and between them: a sentence each."""
    return [
        *_named_file_faults(settings),
        *_listener_faults("console", settings.console),
        *_provider_faults(settings.console.oidc),
        *_shared_faults(settings),
        *_witness_faults(settings),
    ]


def _named_file_faults(settings: "Settings") -> list[str]:
    faults = []
    for name in ("password_file", "ca_file", "cert_file", "key_file"):
        file: Path | None = getattr(settings.broker, name)
        if file is not None and isinstance(found := _content(file), str):
            faults.append(f"broker.{name}: {file}: {found}. Correct the path.")
    for name, file in (("regions.tables", settings.regions.tables), ("consent.policies", settings.consent.policies)):
        if file is not None and isinstance(found := _content(file), str):
            faults.append(f"{name}: {file}: {found}. Correct the path.")
    if not faults:
        faults += _tls_faults("broker", settings.broker)
    if settings.api.enabled:
        faults += _api_faults(settings.api)
    for region in settings.regions.enabled:
        faults += _region_faults(region, settings.regions.of(region))
    return faults


def _region_faults(region: Region, own: "RegionSettings") -> list[str]:
    faults = []
    for file in own.key_files:
        faults += _key_faults(region, file, own.store)
    for name, driver in _DRIVERS.items():
        if (database := getattr(own, name)) is not None:
            faults += database_faults(f"regions.{region}.{name}", database, driver)
    return faults


def _tls_faults(section: str, peer: "BrokerSettings | PostgresSettings | ClickHouseSettings") -> list[str]:
    if faults := _unreadable(section, peer, "ca_file", "cert_file", "key_file"):
        return faults
    try:
        tls_context(peer)
    except (ssl.SSLError, OSError) as error:
        return [_unusable(section, error)]
    return []


def database_faults(
    section: str, database: "PostgresSettings | ClickHouseSettings", driver: str = "asyncpg"
) -> list[str]:
    """What is wrong with the files that the settings of a database name, and with what they need."""
    faults = _unreadable(section, database, "password_file")
    secret = database.password_file
    if secret is not None and not faults and (mode := secret.stat().st_mode & 0o777) & 0o077:
        faults.append(f"{section}.password_file: {secret}: found mode {mode:o}, expected 600. Run: chmod 600 {secret}")
    if find_spec(driver) is None:
        faults.append(f"{section}: found no {driver} to talk to it. {how_to_install(_EXTRAS[driver])}")
    return [*faults, *_tls_faults(section, database)]


def _api_faults(api: "ApiSettings") -> list[str]:
    """The secrets open everything the API can do, so they are asked for as much as keys are."""
    faults = []
    command = f"openssl rand -hex 32 > {api.token_file} && chmod 600 {api.token_file}"
    try:
        tokens = read_tokens(api)
        mode = api.token_file.stat().st_mode & 0o777 if api.token_file else 0
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
    return [*faults, *_listener_faults("api", api)]


def _listener_faults(section: str, listener: "ApiSettings | ConsoleSettings") -> list[str]:
    if faults := _unreadable(section, listener, "cert_file", "key_file"):
        return faults
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
    faults = _unreadable("console.oidc", oidc, "client_secret_file", "ca_file")
    secret = oidc.client_secret_file
    if secret is not None and not faults and (mode := secret.stat().st_mode & 0o777) & 0o077:
        where = "console.oidc.client_secret_file"
        faults.append(f"{where}: {secret}: found mode {mode:o}, expected 600. Run: chmod 600 {secret}")
    return faults


def read_tokens(api: "ApiSettings") -> list[bytes]:
    """The secrets of those who may call the API, one a line; several while they change.

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


def _key_faults(region: Region, file: Path, store: Path | None) -> list[str]:
    where, command = f"regions.{region}.key_files", f"openssl rand -out {file} {KEY_BYTES} && chmod 600 {file}"
    try:
        found = file.stat()
        secret = file.read_bytes()
    except FileNotFoundError:
        return [f"{where}: {file}: no such file{_in_place_of_a_key(store, 'Create it', command)}"]
    except OSError as error:
        return [f"{where}: {file}: {error.strerror}. Make it a file that the collector can read."]
    faults = []
    if len(secret) != KEY_BYTES:
        instead = _in_place_of_a_key(store, "Create one", command)
        faults.append(f"{where}: {file}: found {len(secret)} bytes, expected {KEY_BYTES}{instead}")
    if found.st_mode & 0o077:
        faults.append(f"{where}: {file}: found mode {found.st_mode & 0o777:o}, expected 600. Run: chmod 600 {file}")
    return faults


def _in_place_of_a_key(store: Path | None, make: str, command: str) -> str:
    """What to do about one that is not there, or is none."""
    if store is not None and _is_there(store):
        lost = "Restore it from your backup: under a new key routers that left would be let in again."
        return f", while {store} exists. {lost}"
    return f". {make} with: {command}"


def _is_there(file: Path) -> bool:
    try:
        return file.exists()
    except OSError:  # a name that is too long, a folder that may not be looked into
        return False


def _unreadable(section: str, settings: object, *names: str) -> list[str]:
    """Those of the files that the settings of a section name which cannot be read."""
    files: list[tuple[str, Path | None]] = [(name, getattr(settings, name)) for name in names]
    return [
        f"{section}.{name}: {file}: {found}. Correct the path."
        for name, file in files
        if file is not None and isinstance(found := _content(file), str)
    ]


def _content(file: Path) -> bytes | str:
    """What is in a file, or why it cannot be read."""
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return "no such file"
    except OSError as error:
        return str(error.strerror)


def _witness_faults(settings: "Settings") -> list[str]:
    """A witness must not be lost, restored or written over together with what it vouches for."""
    faults, seen = [], dict[Path, Region]()
    for region in settings.regions.enabled:
        own, witness = settings.regions.of(region), settings.regions.witness_of(region)
        where = f"regions.{region}.witness: {witness}"
        if own.store is not None and witness.parent.resolve() == own.store.parent.resolve():
            faults.append(
                f"{where}: found in the folder of the store, expected elsewhere: a restored folder would bring an old "
                f"witness along. Name a file beside the keys."
            )
        if (other := seen.setdefault(witness.resolve(), region)) is not region:
            faults.append(f"{where}: is also the witness of {other}. Give each region its own.")
        if witness.resolve() in {file.resolve() for file in own.key_files}:
            faults.append(f"{where}: is also a key of the region. Give it a name of its own.")
    return faults


def retention_faults(settings: "Settings") -> list[str]:
    """A message that comes again after its record was deleted has to be too old by then (K09)."""
    hours = settings.limits.max_age_hours
    kept = {region: settings.regions.of(region).retention_days for region in settings.regions.enabled}
    return [
        f"regions.{region}.retention_days: found {days}, expected at least a day more than limits.max_age_hours "
        f"({hours:g}). Keep records for longer, or take younger messages only."
        for region, days in kept.items()
        if days * 24 < hours + 24
    ]


def _shared_faults(settings: "Settings") -> list[str]:
    """Two regions must share no store, no spool and no key, or their records could meet (D18)."""
    faults, stores, spools, keys = [], dict[Any, Region](), dict[Any, Region](), dict[bytes, Region]()
    records = dict[Any, Region]()
    for region in settings.regions.enabled:
        own = settings.regions.of(region)
        for what, places, place in (
            ("store", stores, own.store or (own.postgresql and own.postgresql.server)),
            ("clickhouse database", records, own.clickhouse and own.clickhouse.server),
            ("spool folder", spools, own.spool_folder),
        ):
            if place is None:
                continue
            other = places.setdefault(place.resolve() if isinstance(place, Path) else place, region)
            if other is not region:
                setting = f"regions.{region}.{what.partition(' ')[0]}"
                faults.append(f"{setting}: {place}: is also the {what} of {other}. Give each region its own.")
                break
        for file in own.key_files:
            secret = _content(file)
            other = keys.setdefault(secret, region) if isinstance(secret, bytes) else region
            if other is not region:
                faults.append(
                    f"regions.{region}.key_files: {file}: is also a key of {other}, so pseudonyms could be joined "
                    f"across borders. Give each region its own."
                )
    return faults
