"""The docs are run: commands of README and guides, and what they promise to mention."""

import os
import re
import shlex
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import click
import httpx2
import pytest
from consoles import house

from collector.broker import LocalBroker
from collector.cli import ueip
from collector.config import Settings, load_settings
from collector.metrics import DECLARED, Metrics
from collector.model import DropReason
from collector.reference.metrics import LABELS
from collector.reference.settings import sections
from collector.regions import load_region_tables
from collector.source_settings import Format
from collector.worker_metrics import WORKER_DECLARED

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"<!-- tested: (?P<name>[a-z-]+) -->\n```console\n(?P<body>.*?)```", re.DOTALL)
REASONS = "".join(f"`{reason}`" for reason in DropReason)
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
ENVIRONMENT = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def blocks_to_test() -> Iterator[tuple[str, list[str]]]:
    for page in PAGES:
        for match in BLOCK.finditer(page.read_text("utf-8")):
            lines = [line[2:].partition("#")[0].strip() for line in match["body"].splitlines() if line.startswith("$ ")]
            yield f"{page.name}:{match['name']}", lines


PASSWORD = "a long enough password, 7 words"
BLOCKS = dict(blocks_to_test())


@pytest.mark.parametrize("name", BLOCKS)
def test_the_commands_of_the_docs_run(name: str, tmp_path: Path) -> None:
    """In an empty folder, as they stand. `ueip run` runs until it is told to stop."""
    for line in BLOCKS[name]:
        words = shlex.split(line)
        if words[:2] == ["ueip", "run"]:
            run_until_stopped(words, tmp_path)
        elif words[:2] == ["ueip", "console"]:
            look_in_the_console(words, tmp_path)
        elif words[:3] == ["ueip", "user", "add"]:
            command(["--password-stdin", *words[3:]], tmp_path, words[:3], given=f"{PASSWORD}\n")
        else:
            done = subprocess.run(words, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=False)

            assert (done.returncode, line) == (0, line), done.stderr


def command(more: list[str], folder: Path, words: list[str], given: str) -> None:
    """Run what asks for something on a terminal."""
    done = subprocess.run(
        [*words, *more], cwd=folder, env=ENVIRONMENT, input=given, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr


def look_in_the_console(words: list[str], folder: Path) -> None:
    """As the guide says: sign in, give a reason, type the serial number; with a free port."""
    [configuration] = folder.rglob("collector.toml")
    text = configuration.read_text("utf-8")
    configuration.write_text(re.sub(r"(?ms)(^\[console\].*?^port = )\d+$", r"\g<1>0", text), "utf-8")
    process = subprocess.Popen(words, cwd=folder, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    address = next(match[0] for line in process.stderr if (match := re.search(r"http://127\.0\.0\.1:\d+", line)))
    try:
        with httpx2.Client(base_url=address, headers={"Origin": address}, follow_redirects=True, timeout=60) as browser:
            page = browser.get("/sign-in")
            for path, given in (
                ("/sign-in", {"name": "erika", "password": PASSWORD}),
                ("/reason", {"reason": "INC-4711", "hours": "1"}),
                ("/lookup", {"identifier": "ZTEDW5B914865", "since": "7d"}),
            ):
                hidden = dict(re.findall(r'<input type="hidden" name="(csrf|next)" value="([^"]*)">', page.text))
                page = browser.post(path, data=hidden | given)

        assert page.status_code == 200
        assert re.search(
            r'<h2 id="verdict">(Wi-Fi driver errors|Restarts by the watchdog|Restarts by crashes)</h2>', page.text
        )
        assert re.search(r"\d\. Wi-Fi driver errors</h3>", page.text)
    finally:
        process.send_signal(signal.SIGTERM)

        assert process.wait(30) == 0


def run_until_stopped(words: list[str], folder: Path) -> None:
    """With a broker and a free port, since those of the defaults may be in use here."""
    configuration = folder / words[-1]
    with LocalBroker(folder / "broker") as broker:
        text = configuration.read_text("utf-8")
        text = re.sub(r"(?m)^port = 1883$", f"port = {broker.port}", text)
        configuration.write_text(re.sub(r"(?m)^port = 9464$", "port = 0", text), "utf-8")
        process = subprocess.Popen(words, cwd=folder, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        for line in process.stderr:
            if "broker_connected" in line:
                break
        process.send_signal(signal.SIGTERM)

        assert process.wait(30) == 0


def test_there_are_commands_to_run() -> None:
    """A change of markup must not silently test nothing."""
    assert {"README.md:use", "operating.md:setup"} <= set(BLOCKS)


@pytest.mark.parametrize("name", ueip.list_commands(click.Context(ueip)))
def test_every_command_has_help_and_is_mentioned(name: str) -> None:
    """In README or a guide, as `ueip NAME`."""
    texts = "\n".join(page.read_text("utf-8") for page in [*PAGES, ROOT / "CHANGELOG.md"])

    command = ueip.get_command(click.Context(ueip), name)

    assert command is not None
    assert command.help
    assert f"ueip {name}" in texts or f"`{name}`" in texts


def test_links_lead_somewhere() -> None:
    """Every relative link of README and docs names a file that is there."""
    pages = [*PAGES, *sorted((ROOT / "docs").glob("*/*.md"))]
    links = [
        (page, link) for page in pages for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
    ]

    missing = [f"{page.name}: {link}" for page, link in links if not (page.parent / link).exists()]

    assert missing == []


def test_alerts_are_about_metrics_that_there_are() -> None:
    """By their names and the values of their labels; an alert on a name misspelt never fires."""
    alerts = (ROOT / "config" / "prometheus-alerts.yml").read_text("utf-8")
    exposed = {sample.name for family in Metrics().registry.collect() for sample in family.samples}
    declared = {metric.name for metric in (*DECLARED, *WORKER_DECLARED)}
    named = set(re.findall(r"collector_\w+", alerts))
    values = re.findall(r"(reason|state|treatment|answer|status)=\"([^\"]+)\"", alerts)

    assert set() == named - exposed - declared
    assert [] == [f"{label}={value}" for label, value in values if f"`{value}`" not in LABELS[label] + REASONS]


def test_pages_name_metrics_and_settings_that_there_are() -> None:
    """`collector_worker_*` and the like stand for all that begin so, `regions.<region>.store` for each region's."""
    text = "\n".join(page.read_text("utf-8") for page in PAGES).replace("<region>", "germany")
    exposed = {sample.name for family in Metrics().registry.collect() for sample in family.samples}
    metrics = exposed | {metric.name for metric in (*DECLARED, *WORKER_DECLARED)}
    settings = {f"{section.name}.{name}" for section in sections() for name in section.settings}
    first = "|".join(set(Settings.model_fields) - {"sources"})

    measured = re.findall(r"`(collector_\w+)", text)
    set_there = re.findall(rf"`((?:{first})\.(?!py`)[a-z_.]+)`", text)

    assert [] == [name for name in measured if not any(metric.startswith(name) for metric in metrics)]
    assert set() == set(set_there) - settings


def test_the_countries_without_a_region_are_told() -> None:
    """The page has those that the tables refuse until somebody decides."""
    page = (ROOT / "docs" / "operating.md").read_text("utf-8")

    (told,) = re.findall(r"territories \(([A-Z ]+)\) are refused", page)

    assert told.split() == list(load_region_tables().countries.unmapped)


def test_help_names_every_variable_of_the_environment() -> None:
    """What a command takes from there nobody could guess."""
    said = []
    waiting = [ueip.get_command(click.Context(ueip), name) for name in ueip.list_commands(click.Context(ueip))]
    while waiting:
        command = waiting.pop()
        assert command is not None
        waiting += command.commands.values() if isinstance(command, click.Group) else []
        options = [option for option in command.params if isinstance(option, click.Option)]
        said += [(command.name, option.name, option.show_envvar) for option in options if option.envvar]

    assert said
    assert [] == [one for one in said if not one[2]]


def test_a_collector_that_is_gone_is_told_of() -> None:
    """Of what it exposes nothing can be asked then; by the name that it is scraped under."""
    alerts, scraped = (
        (ROOT / "config" / name).read_text("utf-8") for name in ("prometheus-alerts.yml", "prometheus.yml")
    )
    (job,) = re.findall(r"job_name: (\S+)", scraped)

    assert f'expr: up{{job="{job}"}} == 0' in alerts


def test_make_run_is_what_the_readme_says() -> None:
    """`make run` starts everything with the demo fleet."""
    makefile = (ROOT / "Makefile").read_text("utf-8")

    assert "ueip up --demo" in makefile
    assert "make run" in (ROOT / "README.md").read_text("utf-8")


def test_a_set_up_that_was_killed_is_made_anew(tmp_path: Path) -> None:
    """The interpreter is the first that `venv` makes, pip the last, and without that no package can be installed."""
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").touch()
    steps = ["make", "--dry-run", "--file", str(ROOT / "Makefile"), ".venv/.run"]
    for name in ("pyproject.toml", "constraints.txt"):
        (tmp_path / name).touch()
    would = subprocess.run(steps, cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    assert "-m venv .venv" in would


def test_the_shipped_configuration_is_every_setting_at_its_default(tmp_path: Path) -> None:
    """What `ueip init` writes says what would hold without it."""
    subprocess.run(["ueip", "init", str(tmp_path)], env=ENVIRONMENT, check=True, capture_output=True)
    written = load_settings(tmp_path / "collector.toml")
    document = tomllib.loads((tmp_path / "collector.toml").read_text("utf-8"))

    assert written == Settings(regions=written.regions)
    assert set(Settings.model_fields) - {"sources"} == set(document)


@pytest.mark.parametrize(
    "page", [*PAGES, *sorted((ROOT / "docs" / "decisions").glob("*.md"))], ids=lambda page: page.name
)
def test_configuration_snippets_parse(page: Path) -> None:
    """Every TOML block is TOML."""
    for snippet in re.findall(r"```toml\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
        tomllib.loads(snippet)


def test_the_example_loads_answers_of_the_api_into_polars(tmp_path: Path) -> None:
    """As it stands, against a console with a router that something is wrong with."""
    made = house(tmp_path)
    configuration = tmp_path / "collector.toml"
    configuration.write_text(re.sub(r"(?m)^port = 9466$", "port = 0", configuration.read_text("utf-8")), "utf-8")
    secret = "seventeen quiet routers"
    add = ["ueip", "user", "add", "erika", "--role", "engineer", "--region", "germany", "--password-stdin"]
    subprocess.run([*add, "-c", str(configuration)], env=ENVIRONMENT, input=secret.encode(), check=True)
    command = ["ueip", "console", "-c", str(configuration)]
    with subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        address = next(found[1] for line in process.stderr if (found := re.search(r"console at (\S+);", line)))
        example = [sys.executable, str(ROOT / "docs" / "notebooks" / "console_api.py"), address, "erika", made.ailing]
        environment = {**ENVIRONMENT, "UEIP_PASSWORD": secret, "POLARS_FMT_MAX_COLS": "20", "POLARS_FMT_STR_LEN": "80"}
        done = subprocess.run(example, env=environment, capture_output=True, text=True, timeout=120, check=False)
        process.terminate()

    assert (done.returncode, done.stderr) == (0, "")
    assert "wifi_driver_errors" in done.stdout
    assert "rsrp_dbm" in done.stdout


SOURCES = [
    snippet
    for snippet in re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / "formats.md").read_text("utf-8"), re.DOTALL)
    if "[[sources]]" in snippet
]


@pytest.mark.parametrize("snippet", SOURCES, ids=lambda snippet: str(tomllib.loads(snippet)["sources"][0]["format"]))
def test_the_sources_of_the_docs_are_in_order(snippet: str, tmp_path: Path) -> None:
    """Each as it stands, behind what `ueip init` writes; those without a flag need the ledger's word (D3)."""
    subprocess.run(["ueip", "init", str(tmp_path)], env=ENVIRONMENT, check=True, capture_output=True)
    path = tmp_path / "collector.toml"
    flagged = all(source.get("flag") == "message" for source in tomllib.loads(snippet)["sources"])
    text = path.read_text("utf-8")
    path.write_text((text if flagged else text.replace('mode = "flag"', 'mode = "registered"')) + snippet, "utf-8")

    checked = subprocess.run(
        ["ueip", "check-config", "-c", str(path)], env=ENVIRONMENT, capture_output=True, text=True, check=False
    )

    assert checked.returncode == 0, checked.stderr
    told = [line.strip() for line in re.sub(r"\s*\n(?! )", "\n", checked.stderr).splitlines()]
    assert LINES[tomllib.loads(snippet)["sources"][0]["format"]] in told


LINES = {
    "bulk_data": "bulk: bulk_data on bulkdata/+; router from level 2 of the topic; flag from nowhere: the ledger "
    "alone; country DE; without a time dropped",
    "usp": "usp: usp on usp/controller/#; router from level 3 of the topic; flag from nowhere: the ledger alone; "
    "country DE; without a time dropped",
    "goform": "zte: goform on zte/+/status; router from level 2 of the topic; flag from the message; country CN; "
    "without a time measured on arrival",
    "collectd": "collectd: collectd on collectd/+/#; router from level 2 of the topic; flag from nowhere: the ledger "
    "alone; country DE; without a time dropped; values of 60 s make one record; counters",
    "netjson": "openwisp: netjson on netjson/+/#; router from level 2 of the topic; flag from nowhere: the ledger "
    "alone; country DE; without a time dropped",
}
"""What `ueip check-config` says of each source of the docs."""


def test_every_format_has_a_source_in_the_docs() -> None:
    """One that runs; `ubus` is read as `goform` is."""
    shown = {tomllib.loads(snippet)["sources"][0]["format"] for snippet in SOURCES}

    assert set(get_args(Format)) - {"ubus"} == shown == set(LINES)


def test_check_config_prints_every_fault_of_every_source(tmp_path: Path) -> None:
    """Word for word, with the source it is of, what was found, what is expected, and what to do."""
    subprocess.run(["ueip", "init", str(tmp_path)], env=ENVIRONMENT, check=True, capture_output=True)
    path = tmp_path / "collector.toml"
    path.write_text(path.read_text("utf-8") + FAULTY, "utf-8")

    checked = subprocess.run(
        ["ueip", "check-config", "-c", str(path)], env=ENVIRONMENT, capture_output=True, text=True, check=False
    )

    assert checked.returncode == 2
    assert [] == [line for line in FAULTS if line not in checked.stderr]


FAULTY = """
[[sources]]
name = "lab"
topic = "collectd/+/#"
format = "collectd"

[[sources]]
name = "homes"
topic = "zte/#/x"
format = "goform"
router_level = 9
time_zone = "Mars/Base"

[[sources]]
name = "ours"
topic = "ueip/+/x"
format = "netjson"
router_level = 2
flag = "message"
"""
FAULTS = [
    "sources.entry 'lab': router_level: found none, expected the level of the topic that is the router, counted from",
    "sources.entry 'homes': topic: found '#' within, expected it alone and last. Use '+' for one level.\n",
    "sources.entry 'homes': router_level: found 9, expected at most 3, as many as the filter has. Correct it, or end ",
    "sources.entry 'homes': time_zone: found no such zone, expected an IANA name such as 'Asia/Shanghai'. Corre",
    "sources.entry 'ours': topic: found 'ueip' at its beginning, expected a first level of its own, not 'ueip'. Have",
    'flag: found "message", expected "ledger": netjson has no place for a flag (D3). Remove the line; with',
]
