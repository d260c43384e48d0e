"""Every fault of a configuration is found at the start, all at once, in a sentence; and no setting opens the gate."""

import inspect
import json
import os
import re
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

import pytest
import trustme
from pydantic import BaseModel

from collector.config import Settings, load_settings, read_keys
from collector.config_broker import BrokerSettings
from collector.config_files import read_tokens
from collector.config_http import is_loopback
from collector.errors import Cause, DataFault, StoreUnavailable
from collector.model import Accepted, Message, Region
from collector.pipeline import process
from collector.pseudonym import Key, Pseudonymiser
from collector.rules import assemble

REGIONS = "\n".join(
    f'[regions.{region}]\nstore = "data/{region}.sqlite"\nkey_files = ["keys/{region}.key"]\nretention_days = 365'
    for region in Region
)


class Folder:
    """A folder with a configuration file and sound keys for every region."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = path / "collector.toml"
        for number, region in enumerate(Region, start=1):
            self.key(f"{region}.key", bytes([number]) * 32)

    def key(self, name: str, content: bytes = b"k" * 32, mode: int = 0o600) -> Path:
        """Write a key file."""
        file = self.path / "keys" / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content)
        file.chmod(mode)
        return file

    def load(self, text: str = "", *, regions: str = REGIONS) -> Settings:
        """Load a configuration of this text and these regions."""
        self.file.write_text(f"{text}\n{regions}\n")
        return load_settings(self.file)

    def faults(self, text: str = "", *, regions: str = REGIONS) -> list[str]:
        """What is wrong with it, each without the file's name."""
        with pytest.raises(DataFault) as found:
            self.load(text, regions=regions)
        assert str(found.value) == "\n".join(found.value.faults)
        assert all(fault.startswith(f"{self.file}: ") for fault in found.value.faults)
        return [fault.removeprefix(f"{self.file}: ") for fault in found.value.faults]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Where the test's configuration is."""
    return Folder(tmp_path)


# What is good


def test_a_region_and_its_keys_are_all_that_must_be_said(folder: Folder) -> None:
    """Everything else has a default, and the defaults are those of the decisions."""
    settings = folder.load()

    assert tuple(Region) == settings.regions.enabled
    assert ("flag", "erase", None, False) == (
        settings.consent.mode,
        settings.consent.on_exit,
        settings.consent.policies,
        settings.consent.strict,
    )
    assert 168.0 == settings.limits.max_age_hours
    assert ("127.0.0.1", "127.0.0.1") == (settings.broker.host, settings.http.host)
    assert () == settings.regions.blocked


def test_how_long_records_are_kept_has_to_be_said(folder: Folder) -> None:
    """Nobody keeps records for ever, or for as long as a default says, by an oversight (O30)."""
    [found] = folder.faults(regions=REGIONS.replace("retention_days = 365", "", 1))

    assert found.startswith("regions.hong_kong.retention_days: ")


@pytest.mark.parametrize("setting", ["[consent]\npolicies", "[regions]\ntables"])
def test_a_table_that_is_not_there_is_a_fault(folder: Folder, setting: str) -> None:
    """And says which setting names it."""
    [found] = folder.faults(f'{setting} = "none.toml"')
    name = setting.removeprefix("[").replace("]\n", ".")

    assert f"{name}: {folder.path / 'none.toml'}: no such file. Correct the path." == found


def test_paths_are_relative_to_the_file(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the collector is started from; absolute ones stay."""
    authority = trustme.CA()
    issued = authority.issue_cert("collector")
    authority.cert_pem.write_to_path(str(folder.path / "ca.pem"))
    issued.cert_chain_pems[0].write_to_path(str(folder.path / "cert.pem"))
    issued.private_key_pem.write_to_path(str(folder.path / "key.pem"))
    for name in ("tables.toml", "policies.toml", "password"):
        (folder.path / name).write_text("x")
    (folder.path / "deep").mkdir()
    monkeypatch.chdir(folder.path / "deep")
    absolute = folder.key("elsewhere.key", b"e" * 32)
    files = {"ca_file": "ca.pem", "cert_file": "cert.pem", "key_file": "key.pem", "password_file": "password"}
    text = "\n".join(["[broker]", "tls = true", *(f'{name} = "{file}"' for name, file in files.items())])
    folder.file.write_text(
        f'{text}\n[consent]\npolicies = "policies.toml"\n'
        + REGIONS.replace('"keys/germany.key"', f'"keys/germany.key", "{absolute}"').replace(
            "[regions.hong_kong]", '[regions]\ntables = "tables.toml"\n[regions.hong_kong]'
        )
    )
    settings = load_settings(Path("../collector.toml"))
    germany = settings.regions.of(Region.GERMANY)

    assert folder.path / "data/germany.sqlite" == germany.store
    assert (folder.path / "keys/germany.key", absolute) == germany.key_files
    assert folder.path / "tables.toml" == settings.regions.tables
    assert folder.path / "policies.toml" == settings.consent.policies
    assert [folder.path / name for name in ("ca.pem", "cert.pem", "key.pem", "password")] == [
        settings.broker.ca_file,
        settings.broker.cert_file,
        settings.broker.key_file,
        settings.broker.password_file,
    ]


def test_the_first_key_is_the_current_one(folder: Folder) -> None:
    """The others find what was stored under them."""
    folder.key("old.key", b"o" * 32)
    settings = folder.load(regions=REGIONS.replace('["keys/germany.key"]', '["keys/germany.key", "keys/old.key"]'))

    assert [Key(bytes([2]) * 32), Key(b"o" * 32)] == read_keys(settings.regions.of(Region.GERMANY))


def test_regions_that_are_not_served_need_no_section(folder: Folder) -> None:
    """Nor keys (D18)."""
    only = '[regions]\nenabled = ["china"]\n' + REGIONS[REGIONS.index("[regions.china]") :]

    assert (Region.CHINA,) == folder.load(regions=only).regions.enabled


# Faults of the file


def test_a_file_that_is_not_there(folder: Folder) -> None:
    """Says how to make one."""
    with pytest.raises(DataFault) as found:
        load_settings(folder.file)

    assert f"{folder.file}: no such file. Make one with: ueip init {folder.path}" == str(found.value)


@pytest.mark.parametrize("content", [b"[broker\n", b"\xff\xfe", b"a = 1\na = 2\n"])
def test_a_file_that_is_not_toml(folder: Folder, content: bytes) -> None:
    """One sentence with its name, no trace."""
    folder.file.write_bytes(content)
    with pytest.raises(DataFault) as found:
        load_settings(folder.file)

    assert 1 == len(found.value.faults)
    assert str(found.value).startswith(f"{folder.file}: ")


def test_a_folder_is_no_file(folder: Folder) -> None:
    """Also a sentence."""
    with pytest.raises(DataFault, match="Is a directory"):
        load_settings(folder.path)


# Faults of settings


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[brokr]", "brokr: unknown setting. Check the spelling or remove it."),
        ("[broker]\nhots = 'x'", "broker.hots: unknown setting. Check the spelling or remove it."),
        ("[broker]\nport = 'many'", "broker.port: found 'many', expected "),
        ("[broker]\nport = '80'", "broker.port: found '80', expected a whole number. Remove the quotation marks."),
        ("[broker]\nport = 80.0", "broker.port: found 80.0, expected a whole number"),
        ("[broker]\nport = true", "broker.port: found True, expected a whole number"),
        ("[broker]\ntls = 'yes'", "broker.tls: found 'yes', expected true or false. Remove the quotation marks."),
        ("[broker]\ntls = 1", "broker.tls: found 1, expected true or false"),
        ("[broker]\nhost = 127", "broker.host: found 127, expected a text"),
        ("[limits]\nmax_age_hours = '1'", "limits.max_age_hours: found '1', expected a number. Remove the "),
        ("[limits]\nmax_age_hours = true", "limits.max_age_hours: found True, expected a number"),
        ("[consent]\npolicies = 3", "consent.policies: found 3, expected a path"),
        ("[console]\nnames = 'one.example'", "console.names: found 'one.example', expected a list"),
        ("[broker]\nport = 70000", "broker.port: found 70000, expected less than or equal to 65535"),
        ("[broker]\nclient_id = 'a b'", "broker.client_id: found 'a b', expected "),
        ("[broker]\nreceive_maximum = 1", "broker.receive_maximum: found 1, expected greater than or equal to 10"),
        ("[broker]\nkeep_alive_seconds = [30]", "broker.keep_alive_seconds: found [30], expected a whole number"),
        (
            "[broker]\nsession_expiry_seconds = 4294967296",
            "broker.session_expiry_seconds: found 4294967296, expected less ",
        ),
        ("[broker]\nmax_packet_bytes = 4294967296", "broker.max_packet_bytes: found 4294967296, expected less "),
        ("broker = 3", "broker: found 3, expected a table"),
        ("[consent]\nmode = 'off'", "consent.mode: found 'off', expected 'flag' or 'registered'"),
        ("[consent]\nmode = false", "consent.mode: found False, expected 'flag' or 'registered'"),
        ("[consent]\non_exit = 'ignore'", "consent.on_exit: found 'ignore', expected 'erase' or 'keep'"),
        ('[consent]\npolicy_versions = ["1"]', "consent: policy_versions: found a list of versions, expected a file"),
        ("[consent]\non_exit = 'keep'\nkeep_reason = 'why not'", "consent.keep_reason: found 'why not', expected "),
        ("[limits]\nmax_age_hours = 0", "limits.max_age_hours: found 0, expected greater than 0"),
        ("[limits]\nmax_age_hours = 1e308", "limits.max_age_hours: found 1e+308, expected less than or equal to 8760"),
        ("[limits]\nmax_ahead_seconds = 1e9", "limits.max_ahead_seconds: found 1000000000.0, expected less than "),
        ("[broker]\nreconnect_max_seconds = 1e9", "broker.reconnect_max_seconds: found 1000000000.0, expected less "),
        ("[limits]\nmax_age_hours = inf", "limits.max_age_hours: found inf, expected a finite number"),
        ("[limits]\nmax_age_hours = nan", "limits.max_age_hours: found nan, expected a finite number"),
        ("[limits]\nmax_ahead_seconds = inf", "limits.max_ahead_seconds: found inf, expected a finite number"),
        ("[limits]\nmax_message_bytes = 1e99", "limits.max_message_bytes: found 1e+99, expected "),
        ("[writer]\nmax_batch_rows = 0", "writer.max_batch_rows: found 0, expected greater than or equal to 1"),
        ("[log]\nlevel = 'loud'", "log.level: found 'loud', expected 'debug', 'info', 'warning' or 'error'"),
        ("[http]\nport = -1", "http.port: found -1, expected greater than or equal to 0"),
    ],
)
def test_a_setting_that_is_wrong_says_what_was_expected(folder: Folder, text: str, fault: str) -> None:
    """Where, what was found, what was expected."""
    [found] = folder.faults(text)

    assert found.startswith(fault)
    assert "\n" not in found


def test_a_path_that_no_system_takes_is_a_fault_like_others(folder: Folder) -> None:
    """A NUL in it, or a name that is too long; found by the fuzzer."""
    nul = REGIONS.replace("data/china.sqlite", "data/\\u0000").replace('/germany.key"', '/germany.key", "\\u0000"')
    long = REGIONS.replace("data/china.sqlite", "x" * 300).replace("keys/china.key", "keys/none.key")
    expected = "found a NUL character, expected the path of a file"

    assert [
        f"regions.germany.key_files.entry 2: {expected}",
        f"regions.china.store: {expected}",
    ] == folder.faults(regions=nul)
    assert ["regions.china.key_files: "] == [fault[:25] for fault in folder.faults(regions=long)]


@pytest.mark.parametrize("region", list(Region))
@pytest.mark.parametrize("name", ["store", "key_files"])
def test_a_region_says_where_it_is_stored_and_under_which_keys(folder: Folder, region: Region, name: str) -> None:
    """There is no default for either."""
    lines = REGIONS.splitlines()
    at = lines.index(f"[regions.{region}]")
    gone = next(n for n in (at + 1, at + 2) if lines[n].startswith(name))

    told = {
        "store": f"regions.{region}: store: found neither of store and postgresql, expected one of them. Choose where "
        "it is",
        "key_files": f"regions.{region}.key_files: missing. Add it.",
    }
    assert [told[name]] == folder.faults(regions="\n".join(lines[:gone] + lines[gone + 1 :]))


def test_a_region_that_is_served_has_a_section(folder: Folder) -> None:
    """All that lack one are named."""
    only = '[regions]\nenabled = ["china", "germany", "hong_kong"]\n' + REGIONS[REGIONS.index("[regions.china]") :]

    assert [
        "regions: enabled: found germany, hong_kong without a section, expected [regions.germany]"
    ] == folder.faults(regions=only)
    assert ["regions: missing. Add it."] == folder.faults(regions="")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('enabled = ["mars", "china"]', "regions.enabled.entry 1: found 'mars', expected "),
        ("enabled = []", "regions.enabled: found [], expected "),
        ('blocked = ["Germany"]', "regions.blocked.entry 1: found 'Germany', expected "),
        ("default = 'hong_kong'", "regions.default: unknown setting. Check the spelling or remove it."),
        ("[regions.mars]\nstore = 'm.db'", "regions.mars: unknown setting. Check the spelling or remove it."),
    ],
)
def test_there_are_three_regions_and_no_default(folder: Folder, text: str, fault: str) -> None:
    """No grammar gives a country a region it does not have (lesson 21)."""
    [found] = folder.faults(regions=f"[regions]\n{text}\n{REGIONS}")

    assert found.startswith(fault)


@pytest.mark.parametrize(
    "host",
    ["mqtt://localhost", "localhost:1883", "broker.example/mqtt", "c:s:x@broker"],
)
def test_a_host_is_a_name_or_an_address_alone(folder: Folder, host: str) -> None:
    """Of an address as browsers have it, what is wrong is told, and not that it is another machine's; no password."""
    found = host.rpartition("@")[2]
    sentence = (
        f"broker: host: found '{found}', expected a name or an address alone. Set port, tls, user and password apart."
    )

    assert [sentence] == folder.faults(f'[broker]\nhost = "{host}"')


def test_a_file_that_is_not_utf_8_is_told_as_such(folder: Folder) -> None:
    """With the byte; a mark at its beginning, as editors write it, is no fault."""
    folder.load()
    good = folder.file.read_bytes()
    folder.file.write_bytes(b"\xef\xbb\xbf" + good)
    assert load_settings(folder.file)

    folder.file.write_bytes(b"# \xe4\n" + good)
    with pytest.raises(DataFault, match="byte 3 is not UTF-8"):
        load_settings(folder.file)
    folder.file.write_bytes(b"\xef\xbb\xbf# \xe4\n" + good)
    with pytest.raises(DataFault, match="byte 6 is not UTF-8"):
        load_settings(folder.file)


def test_keeping_records_after_an_exit_needs_a_reason(folder: Folder) -> None:
    """In a sentence, in the configuration (D5)."""
    assert [
        'consent: keep_reason: found none, expected the ground for on_exit = "keep" in a sentence (D5)'
    ] == folder.faults('[consent]\non_exit = "keep"')
    assert "keep" == folder.load('[consent]\non_exit = "keep"\nkeep_reason = "order of 2026-03-01"').consent.on_exit


@pytest.mark.parametrize("host", ["mqtt://anna:secret@broker.example:1883", "anna:secret@broker.example"])
def test_a_password_that_is_written_into_a_host_is_not_told(folder: Folder, host: str) -> None:
    """As URLs have it; what is told of settings comes to a log."""
    [told] = folder.faults(f'[broker]\nhost = "{host}"\ntls = true')

    assert "broker.example" in told
    assert "secret" not in told


@pytest.mark.parametrize("host", ["broker.example", "192.0.2.7", "0.0.0.0", "::", "localhost.example", "10.0.0.1"])
def test_plain_mqtt_leaves_this_machine_never(folder: Folder, host: str) -> None:
    """Payloads would be readable on the way (O78)."""
    sentence = (
        f"broker: host: found '{host}' without TLS, expected tls = true for a broker on another machine (O78). "
        f"Set tls = true and, for a private authority, ca_file."
    )

    assert [sentence] == folder.faults(f'[broker]\nhost = "{host}"')
    assert folder.load(f'[broker]\nhost = "{host}"\ntls = true').broker.tls


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost", "mqtt.localhost"])
def test_plain_mqtt_is_for_this_machine(host: str) -> None:
    """By any of its names."""
    assert is_loopback(host)
    assert not BrokerSettings(host=host).tls


@pytest.mark.parametrize("name", ["cert_file", "key_file"])
def test_half_a_certificate_is_a_fault(folder: Folder, name: str) -> None:
    """A certificate without its key proves nothing."""
    (folder.path / "one.pem").write_text("x")

    assert ["broker: cert_file and key_file: found one of the two, expected both or none"] == folder.faults(
        f'[broker]\n{name} = "one.pem"'
    )


# Faults of files


def test_all_faults_are_told_at_once(folder: Folder) -> None:
    """Nobody mends one to find the next: those of values, those between settings and those of files."""
    folder.key("germany.key", b"k" * 16, 0o644)
    (folder.path / "keys" / "china.key").unlink()
    regions = REGIONS.replace("[regions.hong_kong]", "[regions.hong_kong]\nstoer = 'x'")
    text = "[broker]\nport = 0\nhots = 'x'\n[log]\nstyle = 'loud'\n[api]\nenabled = true\n[console]\nhost = '0.0.0.0'"
    found = folder.faults(text, regions=regions)

    assert [
        "broker.port",
        "broker.hots",
        "regions.hong_kong.stoer",
        "api: token_file",
        "console: host",
        "log.style",
        "regions.germany.key_files",
        "regions.germany.key_files",
        "regions.china.key_files",
    ] == [re.match(r"\w+(: \w+|[.\w]+)", fault)[0] for fault in found]  # type: ignore[index]


@pytest.mark.parametrize(
    ("text", "regions"),
    [
        ("[regions]\nenabled = 'germany'", ""),
        ("[regions]\nenabled = ['atlantis']", ""),
        ("regions = 5", ""),
        ("", "[regions.germany]\nstore = 5"),
        ("[[sources]]\nname = 5", REGIONS),
        ("", ""),
    ],
)
def test_of_what_cannot_be_judged_nothing_is_told(folder: Folder, text: str, regions: str) -> None:
    """No fault that is one only because another value could not be read."""
    assert all(fault.startswith(("regions", "sources")) for fault in folder.faults(text, regions=regions))


def test_retention_is_not_compared_with_limits_that_are_wrong(folder: Folder) -> None:
    """The seven days are enough for the day that was meant."""
    limits = "[limits]\nmax_age_hours = 24\nmax_depth = 0"
    found = folder.faults(limits, regions=REGIONS.replace("365", "7"))

    assert ["limits.max_depth"] == [fault.split(":")[0] for fault in found]


def test_sources_are_not_compared_with_a_section_that_is_wrong(folder: Folder) -> None:
    """They may well be in order with what was meant; what is wrong with the files is told all the same."""
    (folder.path / "keys" / "china.key").unlink()
    source = "[[sources]]\nname = 'homes'\ntopic = 'homes/+'\nformat = 'netjson'\nrouter_level = 2\nflag = 'ledger'"
    found = folder.faults(f"[consent]\nmode = 'registred'\n{source}")

    assert ["consent.mode", "regions.china.key_files"] == [fault.split(":")[0] for fault in found]


@pytest.mark.parametrize("name", ["password_file", "ca_file"])
def test_a_file_that_is_named_must_be_there(folder: Folder, name: str) -> None:
    """And be a file."""
    (folder.path / "folder").mkdir()

    assert [f"broker.{name}: {folder.path}/gone: no such file. Correct the path."] == folder.faults(
        f'[broker]\n{name} = "gone"'
    )
    assert [f"broker.{name}: {folder.path}/folder: Is a directory. Correct the path."] == folder.faults(
        f'[broker]\n{name} = "folder"'
    )


def test_a_key_that_is_not_there_can_be_made(folder: Folder) -> None:
    """With the command that is given."""
    file = folder.path / "keys" / "germany.key"
    file.unlink()
    sentence = (
        f"regions.germany.key_files: {file}: no such file. "
        f"Create it with: openssl rand -out {file} 32 && chmod 600 {file}"
    )

    assert [sentence] == folder.faults()


@pytest.mark.parametrize("content", [None, b"k" * 5])
def test_a_key_that_was_lost_is_not_made_anew_over_a_store(folder: Folder, content: bytes | None) -> None:
    """Nor one that is damaged: under another key routers that left would be let in again."""
    file, store = folder.path / "keys" / "germany.key", folder.load().regions.of(Region.GERMANY).file
    store.parent.mkdir(exist_ok=True)
    store.touch()
    folder.key(file.name, content) if content is not None else file.unlink()

    [found] = folder.faults()

    assert f", while {store} exists. Restore it from your backup" in found
    assert "openssl" not in found


@pytest.mark.parametrize("length", [0, 16, 31, 33, 64])
def test_a_key_has_32_bytes(folder: Folder, length: int) -> None:
    """No more, no less; a hex text of it is none."""
    file = folder.key("germany.key", b"k" * length)
    sentence = (
        f"regions.germany.key_files: {file}: found {length} bytes, expected 32. "
        f"Create one with: openssl rand -out {file} 32 && chmod 600 {file}"
    )

    assert [sentence] == folder.faults()


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o660, 0o604, 0o601])
def test_a_key_is_its_owners_alone(folder: Folder, mode: int) -> None:
    """Whoever has it can turn pseudonyms back by trying."""
    file = folder.key("china.key", bytes([3]) * 32, mode)

    assert [
        f"regions.china.key_files: {file}: found mode {mode:o}, expected 600. Run: chmod 600 {file}"
    ] == folder.faults()


API = '[api]\nenabled = true\ntoken_file = "keys/token"\n'


def test_the_api_is_off_and_asks_for_nothing_then(folder: Folder) -> None:
    """Turned on, it takes secrets a line each."""
    folder.key("token", b"a" * 32 + b"\n\n  " + b"b" * 64 + b"  \n")

    assert not folder.load().api.enabled
    assert [b"a" * 32, b"b" * 64] == read_tokens(folder.load(API).api)


@pytest.mark.parametrize("content", [b"", b"\n \n", b"x" * 31, b"x" * 32 + b"\n" + b"short"])
def test_a_secret_that_can_be_guessed_is_refused(folder: Folder, content: bytes) -> None:
    """Any of them; with the command that makes one."""
    file = folder.key("token", content)

    sentence = (
        f"api.token_file: {file}: found no secret, or one of fewer than 32 characters. "
        f"Create it with: openssl rand -hex 32 > {file} && chmod 600 {file}"
    )

    assert [sentence] == folder.faults(API)


def test_a_secret_is_its_owners_alone(folder: Folder) -> None:
    """As keys are; and it is there."""
    file = folder.key("token", b"x" * 32, 0o640)
    open_to_others = folder.faults(API)
    file.unlink()

    assert [f"api.token_file: {file}: found mode 640, expected 600. Run: chmod 600 {file}"] == open_to_others
    assert [f"api.token_file: {file}: No such file or directory. Create it with: "] == [
        fault.partition("openssl")[0] for fault in folder.faults(API)
    ]


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ('host = "0.0.0.0"', "api: host: found '0.0.0.0' without TLS"),
        ('host = "192.0.2.7"', "api: host: found '192.0.2.7' without TLS"),
        ('cert_file = "keys/token"', "api: cert_file and key_file: found one of the two"),
        ('cert_file = "keys/token"\nkey_file = "keys/token"', "api: the TLS files cannot be used"),
    ],
)
def test_the_api_is_safe_or_off(folder: Folder, more: str, sentence: str) -> None:
    """Nothing that identifies a router crosses a wire in the clear (O78)."""
    folder.key("token", b"x" * 32)
    found = folder.faults(API + more)

    assert [True] == [fault.startswith(sentence) for fault in found]


@pytest.mark.parametrize(
    ("section", "names"),
    [
        (API, ("cert_file", "key_file")),
        ("[console]\n", ("cert_file", "key_file")),
        ("[broker]\ntls = true\n", ("ca_file", "cert_file", "key_file")),
    ],
)
def test_a_tls_file_that_is_not_there_is_named(folder: Folder, section: str, names: tuple[str, ...]) -> None:
    """Each of them, by its setting and its path, and nothing is said of what could not be looked at."""
    folder.key("token", b"x" * 32)
    word = re.findall(r"^\[(\w+)\]", section)[0]
    given = "".join(f'{name} = "gone/{name}"\n' for name in names)

    assert folder.faults(section + given) == [
        f"{word}.{name}: {folder.path / 'gone' / name}: no such file. Correct the path." for name in names
    ]


def test_the_api_needs_a_secret(folder: Folder) -> None:
    """There is no way to run it open."""
    assert ["api: token_file: found none, expected the secrets of those who may call. Set it"] == folder.faults(
        "[api]\nenabled = true"
    )


def test_two_regions_share_no_store(folder: Folder) -> None:
    """Not by another spelling or a link either (D18)."""
    (folder.path / "data").mkdir()
    (folder.path / "link.sqlite").symlink_to(folder.path / "data/germany.sqlite")
    expected = "is also the store of germany. Give each region its own."
    for spelling in ("data/germany.sqlite", "data/../data/germany.sqlite", "link.sqlite"):
        regions = REGIONS.replace("data/china.sqlite", spelling)

        assert [f"regions.china.store: {folder.path}/{spelling}: {expected}"] == folder.faults(regions=regions)


def test_two_regions_share_no_spool_folder(folder: Folder) -> None:
    """Nor does one keep its spool in what would be another's (D18, R27)."""
    expected = "is also the spool folder of germany. Give each region its own."
    for ours, theirs in (("spool/x", "spool/../spool/x"), ("data/china.sqlite.spool", None)):
        regions = REGIONS.replace("[regions.germany]", f'[regions.germany]\nspool = "{ours}"')
        if theirs is not None:
            regions = regions.replace("[regions.china]", f'[regions.china]\nspool = "{theirs}"')
        shown = f"{folder.path}/{theirs or ours}"

        assert [f"regions.china.spool: {shown}: {expected}"] == folder.faults(regions=regions)


def test_a_spool_lies_beside_its_store_unless_it_is_told_otherwise(folder: Folder) -> None:
    """Installations from before there was one go on as they are."""
    regions = REGIONS.replace("[regions.germany]", '[regions.germany]\nspool = "elsewhere"')
    found = folder.load(regions=regions).regions

    assert folder.path / "elsewhere" == found.of(Region.GERMANY).spool_folder
    assert folder.path / "data/china.sqlite.spool" == found.of(Region.CHINA).spool_folder


@pytest.mark.parametrize("how", ["the same file", "a copy", "an old key"])
def test_two_regions_share_no_key(folder: Folder, how: str) -> None:
    """By content, not by name, and old keys too: pseudonyms could be joined across borders."""
    if how == "the same file":
        regions, file = REGIONS.replace("keys/china.key", "keys/germany.key"), folder.path / "keys/germany.key"
    elif how == "a copy":
        regions, file = REGIONS, folder.key("china.key", bytes([2]) * 32)
    else:
        file = folder.key("old.key", bytes([2]) * 32)
        regions = REGIONS.replace('["keys/china.key"]', '["keys/china.key", "keys/old.key"]')
    sentence = (
        f"regions.china.key_files: {file}: is also a key of germany, so pseudonyms could be joined "
        f"across borders. Give each region its own."
    )

    assert [sentence] == folder.faults(regions=regions)


@pytest.mark.parametrize(
    ("days", "hours", "good"), [(8, 168, True), (7, 168, False), (30, 8760, False), (366, 8760, True)]
)
def test_records_are_kept_for_longer_than_messages_are_taken(
    folder: Folder, days: int, hours: int, *, good: bool
) -> None:
    """A message that comes again after its record was deleted has to be too old by then (K09)."""
    before, china = REGIONS.replace("365", "3650").split("[regions.china]")
    regions = f"{before}[regions.china]{china.replace('3650', str(days))}"
    limits = f"[limits]\nmax_age_hours = {hours}"
    if good:
        assert days == folder.load(limits, regions=regions).regions.of(Region.CHINA).retention_days
        return
    fault = (
        f"regions.china.retention_days: found {days}, expected at least a day more than limits.max_age_hours "
        f"({hours}). Keep records for longer, or take younger messages only."
    )

    assert [fault] == folder.faults(limits, regions=regions)


def test_of_a_key_that_is_gone_since_it_is_said_once_what_to_do(folder: Folder) -> None:
    """As a command says it, which says the cause with all that is away."""
    settings = folder.load().regions.of(Region.CHINA)
    settings.key_files[0].unlink()
    with pytest.raises(StoreUnavailable) as found:
        read_keys(settings)

    assert 1 == found.value.in_full().count(Cause.LOST_KEY.advice)
    assert found.value.in_full().startswith(f"{settings.key_files[0]}: ")


@contextmanager
def without_privileges() -> Iterator[None]:
    """Be nobody for a while, if we are root: root may read anything."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_a_key_that_cannot_be_read_is_a_sentence() -> None:
    """And no advice to write a new one over it."""
    with TemporaryDirectory() as place:
        folder = Folder(Path(place))
        folder.path.chmod(0o755)
        (folder.path / "keys").chmod(0o755)
        for file in (folder.path / "keys").iterdir():
            file.chmod(0o000)
        folder.file.write_text(REGIONS)
        with without_privileges(), pytest.raises(DataFault) as found:
            load_settings(folder.file)

    assert list(found.value.faults) == [
        f"{folder.file}: regions.{region}.key_files: {folder.path}/keys/{region}.key: Permission denied. "
        f"Make it a file that the collector can read."
        for region in Region
    ]


# The gate

ALLOWED = {
    "broker.host": "where routers publish",
    "broker.port": "where routers publish",
    "broker.client_id": "names the session",
    "broker.username": "signs in",
    "broker.password_file": "signs in",
    "broker.tls": "protects the way; needed beyond this machine",
    "broker.ca_file": "whom to trust",
    "broker.cert_file": "who we are",
    "broker.key_file": "who we are",
    "broker.keep_alive_seconds": "when to ping",
    "broker.share_group": "says with whom the reports are shared",
    "broker.watchdog_silence_seconds": "when to look whether the broker still delivers",
    "broker.watchdog_answer_seconds": "when to give a connection up",
    "broker.clear_retained": "what the broker is to forget; a retained report is never stored",
    "broker.session_expiry_seconds": "how long the broker keeps messages",
    "broker.receive_maximum": "bounds memory",
    "broker.max_packet_bytes": "bounds memory",
    "broker.reconnect_max_seconds": "paces reconnects",
    "broker.sender_property": "where the broker names a router; who is named is asked of the ledger",
    "regions.enabled": "can only refuse: what is not served here is dropped",
    "regions.blocked": "can only refuse",
    "regions.tables": "country to region; the notice's own lines are checked against it",
    "regions.registry": "the list of countries; can only refuse or choose among the regions",
    "regions.hong_kong.store": "where records are stored",
    "regions.hong_kong.key_files": "makes pseudonyms",
    "regions.hong_kong.witness": "can only close a region",
    "regions.hong_kong.retention_days": "when records stored with consent are deleted",
    "regions.hong_kong.spool": "where records wait, encrypted, whose router the ledger has let in",
    "regions.hong_kong.postgresql.host": "where records are stored",
    "regions.hong_kong.postgresql.port": "where records are stored",
    "regions.hong_kong.postgresql.database": "where records are stored",
    "regions.hong_kong.postgresql.user": "signs in there",
    "regions.hong_kong.postgresql.password_file": "signs in there",
    "regions.hong_kong.postgresql.tls": "protects the way; needed beyond this machine",
    "regions.hong_kong.postgresql.ca_file": "whom to trust",
    "regions.hong_kong.postgresql.cert_file": "who we are",
    "regions.hong_kong.postgresql.key_file": "who we are",
    "regions.hong_kong.postgresql.patience_seconds": "when to give a connection up",
    "regions.hong_kong.clickhouse.host": "where records are stored",
    "regions.hong_kong.clickhouse.port": "where records are stored",
    "regions.hong_kong.clickhouse.database": "where records are stored",
    "regions.hong_kong.clickhouse.user": "signs in there",
    "regions.hong_kong.clickhouse.password_file": "signs in there",
    "regions.hong_kong.clickhouse.tls": "protects the way; needed beyond this machine",
    "regions.hong_kong.clickhouse.ca_file": "whom to trust",
    "regions.hong_kong.clickhouse.cert_file": "who we are",
    "regions.hong_kong.clickhouse.key_file": "who we are",
    "regions.hong_kong.clickhouse.cluster": "which servers have them",
    "regions.hong_kong.clickhouse.patience_seconds": "when to give a write up",
    "regions.germany.store": "where records are stored",
    "regions.germany.key_files": "makes pseudonyms",
    "regions.germany.witness": "can only close a region",
    "regions.germany.retention_days": "when records stored with consent are deleted",
    "regions.germany.spool": "where records wait, encrypted, whose router the ledger has let in",
    "regions.germany.postgresql.host": "where records are stored",
    "regions.germany.postgresql.port": "where records are stored",
    "regions.germany.postgresql.database": "where records are stored",
    "regions.germany.postgresql.user": "signs in there",
    "regions.germany.postgresql.password_file": "signs in there",
    "regions.germany.postgresql.tls": "protects the way; needed beyond this machine",
    "regions.germany.postgresql.ca_file": "whom to trust",
    "regions.germany.postgresql.cert_file": "who we are",
    "regions.germany.postgresql.key_file": "who we are",
    "regions.germany.postgresql.patience_seconds": "when to give a connection up",
    "regions.germany.clickhouse.host": "where records are stored",
    "regions.germany.clickhouse.port": "where records are stored",
    "regions.germany.clickhouse.database": "where records are stored",
    "regions.germany.clickhouse.user": "signs in there",
    "regions.germany.clickhouse.password_file": "signs in there",
    "regions.germany.clickhouse.tls": "protects the way; needed beyond this machine",
    "regions.germany.clickhouse.ca_file": "whom to trust",
    "regions.germany.clickhouse.cert_file": "who we are",
    "regions.germany.clickhouse.key_file": "who we are",
    "regions.germany.clickhouse.cluster": "which servers have them",
    "regions.germany.clickhouse.patience_seconds": "when to give a write up",
    "regions.china.store": "where records are stored",
    "regions.china.key_files": "makes pseudonyms",
    "regions.china.witness": "can only close a region",
    "regions.china.retention_days": "when records stored with consent are deleted",
    "regions.china.spool": "where records wait, encrypted, whose router the ledger has let in",
    "regions.china.postgresql.host": "where records are stored",
    "regions.china.postgresql.port": "where records are stored",
    "regions.china.postgresql.database": "where records are stored",
    "regions.china.postgresql.user": "signs in there",
    "regions.china.postgresql.password_file": "signs in there",
    "regions.china.postgresql.tls": "protects the way; needed beyond this machine",
    "regions.china.postgresql.ca_file": "whom to trust",
    "regions.china.postgresql.cert_file": "who we are",
    "regions.china.postgresql.key_file": "who we are",
    "regions.china.postgresql.patience_seconds": "when to give a connection up",
    "regions.china.clickhouse.host": "where records are stored",
    "regions.china.clickhouse.port": "where records are stored",
    "regions.china.clickhouse.database": "where records are stored",
    "regions.china.clickhouse.user": "signs in there",
    "regions.china.clickhouse.password_file": "signs in there",
    "regions.china.clickhouse.tls": "protects the way; needed beyond this machine",
    "regions.china.clickhouse.ca_file": "whom to trust",
    "regions.china.clickhouse.cert_file": "who we are",
    "regions.china.clickhouse.key_file": "who we are",
    "regions.china.clickhouse.cluster": "which servers have them",
    "regions.china.clickhouse.patience_seconds": "when to give a write up",
    "consent.mode": "flag needs a flagged message, registered needs a join event before it: neither lets in without",
    "consent.on_exit": "what becomes of records stored with consent; they are unreadable either way",
    "consent.keep_reason": "a text for people",
    "consent.witness_days": "how far back a lost ledger can be put back",
    "consent.policies": "which versions of the notice count; more than their texts say is not collected",
    "consent.strict": "can only refuse: ends consents that would go on",
    "limits.max_message_bytes": "can only refuse",
    "limits.max_depth": "can only refuse",
    "limits.max_age_hours": "how old a flagged message may be; the join still bounds it (G7)",
    "limits.max_ahead_seconds": "how far ahead a flagged message's clock may be",
    "limits.max_in_flight_bytes": "bounds memory",
    "writer.linger_milliseconds": "paces commits",
    "writer.max_batch_rows": "paces commits",
    "spool.after_seconds": "when records that the ledger has let in wait on another disk",
    "spool.max_bytes": "bounds what waits",
    "spool.known_routers": "whose records wait there; the ledger is asked about each of them again",
    "http.host": "serves counts",
    "http.port": "serves counts",
    "api.enabled": "whether acts of consent are taken over HTTP; each goes through the ledger",
    "api.host": "where they are taken",
    "api.port": "where they are taken",
    "api.token_file": "who may send them",
    "api.cert_file": "our own identity",
    "api.key_file": "our own identity",
    "api.patience_seconds": "how long a caller waits for the ledger; nobody is told of an act that it does not have",
    "audit.folder": "where it is written down who read what",
    "audit.heads": "where the ends of that are kept",
    "audit.reason_required": "can only refuse: a command that reads a router without saying why",
    "console.host": "where people look; nothing is stored there",
    "console.port": "where people look; nothing is stored there",
    "console.cert_file": "our own identity",
    "console.key_file": "our own identity",
    "console.names": "what browsers may call the console",
    "console.sign_in.accounts": "who may look",
    "console.sign_in.idle_minutes": "when a session ends",
    "console.sign_in.session_hours": "when a session ends",
    "console.sign_in.purpose_minutes": "for how long somebody may say why they look",
    "console.sign_in.attempts": "slows down who guesses",
    "console.sign_in.attempts_by_address": "slows down who guesses",
    "console.sign_in.lock_out_seconds": "slows down who guesses",
    "console.sign_in.least_password_characters": "can only refuse",
    "console.oidc.enabled": "whether a provider says who somebody is",
    "console.oidc.issuer": "whom to believe who somebody is",
    "console.oidc.client_id": "who we are there",
    "console.oidc.client_secret_file": "signs in there",
    "console.oidc.public_url": "where browsers come back to",
    "console.oidc.scopes": "what is asked of the provider",
    "console.oidc.name_claim": "what somebody is called in the log",
    "console.oidc.role_claim": "what somebody may see; nothing without it",
    "console.oidc.roles": "what somebody may see; nothing without it",
    "console.oidc.region_claim": "of which regions; of none without it",
    "console.oidc.regions": "of which regions; of none without it",
    "console.oidc.training_claim": "can only refuse",
    "console.oidc.algorithms": "can only refuse",
    "console.oidc.ca_file": "whom to trust",
    "log.style": "how logs look",
    "log.level": "how much is logged; no level logs what a router sent",
    "sources.name": "tells the records of sources apart",
    "sources.topic": "what is subscribed to; what arrives has to pass the gate",
    "sources.format": "how payloads are read",
    "sources.router_level": "which level of the topic is the router",
    "sources.router_from": "where the router's name stands; what is found is asked of the ledger",
    "sources.flag": "where the flag stands; ledger asks for a join event, and is refused outside mode registered (D3)",
    "sources.country": "chooses a region, of those the consent names",
    "sources.time_zone": "reads local times",
    "sources.arrival_time": "when a message without a time was measured; the join bounds it all the same (G7)",
    "sources.interval_seconds": "gathers values into records",
    "sources.counters": "what numbers mean",
    "sources.max_message_bytes": "can only refuse",
    "sources.names": "what names mean; the catalogue decides what is kept",
}
"""Every setting there may be, and why it cannot let anything in without consent. A new one needs a line here (D6)."""

OPENERS = {
    "allow", "always", "anonymous", "assume", "bypass", "debug", "default", "disable", "dry", "fallback", "force",
    "ignore", "implicit", "insecure", "opt", "override", "permissive", "self", "skip", "test", "trust", "unsafe",
    "verify",
}  # fmt: skip
"""Words of settings that open gates."""


def walk(model: type[BaseModel], path: str = "") -> Iterator[str]:
    """The names of all settings, sections resolved."""
    for name, field in model.model_fields.items():
        kinds = [field.annotation, *get_args(field.annotation)]
        section = next((k for k in kinds if inspect.isclass(k) and not get_args(k) and issubclass(k, BaseModel)), None)
        if section is None:
            yield f"{path}{name}"
        else:
            yield from walk(section, f"{path}{name}.")


def test_every_setting_is_one_that_was_decided_on() -> None:
    """There is none that stores a message without consent (O09)."""
    assert list(ALLOWED) == list(walk(Settings))


@pytest.mark.parametrize("name", ALLOWED)
def test_no_setting_is_called_like_one_that_opens_the_gate(name: str) -> None:
    """A name is a promise too."""
    assert not OPENERS & set(name.replace(".", "_").split("_"))


def test_settings_cannot_be_changed_while_the_collector_runs(folder: Folder) -> None:
    """Nor can one be added."""
    settings = folder.load()
    with pytest.raises(ValueError, match="frozen"):
        settings.consent.mode = "registered"  # type: ignore[misc]
    with pytest.raises(ValueError, match=r"frozen|no field"):
        settings.consent.bypass = True  # type: ignore[attr-defined]


MOST_PERMISSIVE = """
[consent]
mode = "{mode}"
on_exit = "keep"
keep_reason = "as permissive as it can be made"
strict = false
[limits]
max_message_bytes = 16777216
max_depth = 64
max_age_hours = 8760
max_ahead_seconds = 86_400
"""

NOT_A_YES: list[str] = [
    "{}",
    *(
        f'{{"ueip": {value}}}'
        for value in (
            "false", "null", "0", "1", "1.0", "2", "-1", '"0"', '"1"', '"true"', '"True"', '"yes"', '"on"', '""', '" "',
            '"true "', "[]", "[true]", "{}", '{"value": true}',
        )
    ),
    '{"ueip": false, "ueip": true}',
    '{"ueip": true, "ueip": false}',
    '{"UEIP": true}',
    '{"ueip\\u200b": true}',
    '{"ueip ": true}',
    '{"consent": {"ueip": true}}',
    '{"ueip_opt_in": true}',
]  # fmt: skip
"""Catalogue 4.2: the values that must drop."""


@pytest.mark.parametrize("mode", ["flag", "registered"])
def test_the_most_permissive_settings_let_in_nothing_without_a_yes(folder: Folder, mode: str) -> None:
    """With everything as open as it goes, only the plain yes of the control passes."""
    regions = REGIONS.replace("365", "3650")
    settings = folder.load(MOST_PERMISSIVE.format(mode=mode), regions=regions)
    rules = assemble(settings, {region: Pseudonymiser(read_keys(settings.regions.of(region))) for region in Region})
    rest = '"schema_version": 1, "message_id": "m-1", "country": "DE", "time": "2025-11-21T14:00:00Z"'

    def passes(flag: str) -> bool:
        payload = "{" + ", ".join(part for part in (flag.strip()[1:-1], rest) if part) + "}"
        message = Message("ueip/v1/r1/report", payload.encode(), retained=False, received_at=1_763_733_600_000)
        json.loads(payload)
        return isinstance(process(message, rules), Accepted)

    assert [True, *(False for _ in NOT_A_YES)] == [passes(flag) for flag in ('{"ueip": true}', *NOT_A_YES)]


def test_the_shipped_configuration_names_no_setting_that_is_not_decided_on() -> None:
    """The example people start from has the same names, and comments them."""
    shipped = Path(__file__).resolve().parents[2] / "config" / "collector.toml"
    document: dict[str, Any] = tomllib.loads(shipped.read_text("utf-8"))

    def names(table: dict[str, Any], path: str = "") -> Iterator[str]:
        for name, value in table.items():
            if isinstance(value, dict):
                yield from names(value, f"{path}{name}.")
            else:
                yield f"{path}{name}"

    assert set(names(document)) <= set(ALLOWED)
