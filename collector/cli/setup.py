"""`ueip init` and `ueip check-config`."""

import asyncio
import os
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import click

from collector.broker import find_mosquitto
from collector.cli.checking import checked
from collector.cli.common import command_name, config_option, say, settings_path
from collector.config import Settings, default_settings_path
from collector.config_broker import BrokerSettings
from collector.consent.policies import Policies
from collector.consent.policy_file import default_policies_path
from collector.durable import new_file
from collector.errors import (
    BrokerRefused,
    BrokerUnreachable,
    CollectorError,
)
from collector.ingest.check import check_broker
from collector.ingest.connection import ConnectionLost
from collector.ingest.trouble import why_unreachable
from collector.lookup import rfc3339
from collector.model import Region
from collector.pseudonym import KEY_BYTES
from collector.rules import make_rules


def make_installation(folder: Path) -> list[str]:
    """Create configuration, keys (mode 0600), folders of stores and spools where they are absent; say what was made.

    Raises:
        CollectorError: the folder cannot be written.
    """
    try:
        (folder / "keys").mkdir(parents=True, exist_ok=True, mode=0o700)
        for name in ("data", "spool"):
            (folder / name).mkdir(exist_ok=True, mode=0o700)
        made = [_key(folder, region) for region in Region]
        made.append(_write(folder / "collector.toml", default_settings_path().read_bytes()))
    except OSError as error:
        raise CollectorError(f"{folder}: cannot be written: {error.strerror}. Choose another folder.") from None
    return [name for name in made if name]


def _key(folder: Path, region: Region) -> str | None:
    """A region's key where there is none yet; never one for a store that was made with another."""
    key, store = folder / "keys" / f"{region}.key", folder / "data" / f"{region}.sqlite"
    if store.exists() and not key.exists():
        raise CollectorError(
            f"{key}: missing, while {store} exists. Restore the key from your backup: under a new one nobody in that "
            f"store could be found, and routers that left would be let in again."
        )
    return _write(key, os.urandom(KEY_BYTES))


def _write(path: Path, content: bytes) -> str | None:
    """Write a new file with mode 0600; what exists is left alone, a key above all.

    It gets its name only once it is whole and on the disk: half a key would be taken for a key, and what was stored
    under a key that a power cut took back could never be found.
    """
    return str(path) if new_file(path, [content]) else None


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path(".ueip"))
def init(folder: Path) -> None:
    """Make a configuration, a key for each region (mode 0600) and a place for the stores in FOLDER, and check them.

    FOLDER is .ueip if not given. What exists is left as it is: without its key, a region's records cannot be found.
    """
    made = make_installation(folder)
    for name in made:
        say(f"made {name}", style="green")
    if not made:
        say(f"{folder}: everything is there already; nothing was changed")
    path = folder / "collector.toml"
    make_rules(checked(path))
    say(f"checked {path}: in order")
    if find_mosquitto() is None:
        say("note: no Mosquitto on this machine; `ueip up` needs one, `ueip run` may use a broker elsewhere")
    ueip = command_name()
    say(f"next: {ueip} up --demo (try it), or set broker.host in {path} and: {ueip} run -c {path}")


@click.command("check-config")
@config_option
@click.option("--broker", is_flag=True, help="Also connect to the broker and ask for the subscriptions.")
def check_config(config: Path | None, *, broker: bool) -> None:
    """Check the configuration, its keys, data files and stores; all faults are reported together."""
    path = settings_path(config)
    settings = checked(path, stores=True)
    policies = make_rules(settings).gate.policies
    say(f"{path}: in order; regions {', '.join(settings.regions.enabled)}, consent mode {settings.consent.mode}")
    say(f"{settings.consent.policies or default_policies_path()}: in order; versions of the notice")
    for line in _notice(policies, int(time.time() * 1000)):
        say(f"  {line}")
    if settings.sources:
        say("sources of other formats, besides ueip/v1/#:")
    for source in settings.sources:
        say(f"  {source.summary()}")
    if broker:
        _check_broker(settings)


def _notice(policies: Policies, now: int) -> Iterator[str]:
    """Which version of the notice is in force, and which are to come."""
    in_force = policies.in_force(now)
    for policy in policies.versions:
        when = f"{policy.version}: {policy.change}{''.join(f' {reason}' for reason in policy.reasons)}"
        ends = " It ends the consents given before." if policies.closes(policy) else ""
        if policy is in_force:
            yield f"{when}, in force since {rfc3339(policy.effective_at)}, in {', '.join(policy.texts)}.{ends}"
        elif policy.effective_at > now:
            yield f"{when}, takes effect at {rfc3339(policy.effective_at)}.{ends}"


def _check_broker(settings: Settings) -> None:
    where = _spelt(settings.broker)
    try:
        facts = asyncio.run(check_broker(settings.broker, settings.sources))
    except BrokerRefused as error:
        raise BrokerUnreachable(f"{where}: {error}. Check user name, password and access rules.") from None
    except (OSError, TimeoutError, ConnectionLost, UnicodeError) as error:
        todo = _advice(error, settings.broker)
        raise BrokerUnreachable(f"{where}: cannot be reached ({why_unreachable(error)}). {todo}") from None
    say(f"{where}: connected, subscriptions granted at QoS 1 ({facts})")
    say(
        "note: a broker that limits its queue loses acknowledged messages while the collector is away. "
        "For Mosquitto set max_queued_messages 0 and persistence true (see config/mosquitto.conf).",
        style="yellow",
    )


def _advice(error: Exception, broker: BrokerSettings) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return "Compare broker.ca_file with the authority that signed it, and broker.host with the names in it."
    if isinstance(error, socket.gaierror | UnicodeError):
        return "Correct broker.host."
    if isinstance(error, ConnectionLost | ConnectionResetError | ssl.SSLError):
        if not broker.tls:
            return "Does the port want TLS (broker.tls)?"
        return "Does the port speak TLS, and does the broker want a certificate (broker.cert_file)?"
    return "Is it running?"


def _spelt(broker: BrokerSettings) -> str:
    return f"{'mqtts' if broker.tls else 'mqtt'}://{broker.host}:{broker.port}"
