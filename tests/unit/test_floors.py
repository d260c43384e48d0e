"""Imports run one way: a room imports from floors below it, and nobody but `ingest/codec.py` imports the codec."""

import ast
import re
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

import collector

ROOT = Path(collector.__file__).parent
FLOORS = (
    ("reasons",),
    ("native",),
    ("model", "errors", "data", "log", "acks", "clock", "simulator", "repeats", "process", "durable", "listing"),
    ("config_section", "config_document", "faults"),
    ("pseudonym", "documents", "source_settings", "parts", "exposition", "config_http", "config_sound", "clock_watch"),
    ("config_access", "config_broker"),
    ("worker_metrics", "exit_metrics", "link_metrics"),
    ("fields", "regions", "registry", "consent", "config_files", "config_postgres", "spool_metrics", "derive"),
    ("config_clickhouse", "config_console", "config_apart", "access"),
    ("config_regions",),
    ("config", "products", "metrics", "notice"),
    ("formats", "ingest", "stores"),
    ("straight", "diagnosis"),
    ("pipeline",),
    ("rules", "intake", "registry_watch", "http"),
    ("rights", "storage", "auditing"),
    ("service",),
    ("workers",),
    ("lookup", "explain", "broker", "moving"),
    ("examination", "surveying"),
    ("console",),
    ("reference",),
    ("cli",),
    ("__main__",),
)
EVERY_COMMAND = "import collector.service; from collector.cli import ueip; ueip(['--help'])"
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
MODULES = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports_of(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    # What is imported for types alone is not there at run time.
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = [ast.Pass()]
    found = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    return found | {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_from_its_own_room_or_from_floors_below(path: Path) -> None:
    """No circles, and no room that reaches up or across."""
    room = room_of(path)
    ours = {name.split(".")[1] for name in imports_of(path) if name.startswith("collector.")}

    wrong = {other for other in ours if other != room and FLOOR_OF[other] >= FLOOR_OF[room]}

    assert wrong == set()


def test_every_room_is_told_of_on_the_page_of_the_architecture() -> None:
    """Who looks for a module finds there what it is for."""
    page = (ROOT.parent / "docs" / "architecture.md").read_text("utf-8")
    told = re.findall(r"`(?:collector/)?([\w*]+)(?:\.py|/)`", page)

    assert [room for room in FLOOR_OF if room != "__main__" and not any(fnmatch(room, name) for name in told)] == []


def test_one_module_imports_the_codec() -> None:
    """So that another codec can take its place in a day."""
    importers = {str(path.relative_to(ROOT)) for path in MODULES if "mqtt5" in imports_of(path)}

    assert importers == {"ingest/codec.py"}


def test_two_modules_import_the_driver_of_postgresql() -> None:
    """And neither is asked for by whoever has no such store: the driver is an extra."""
    importers = {str(path.relative_to(ROOT)) for path in MODULES if "asyncpg" in imports_of(path)}
    without = f"import sys; sys.modules['asyncpg'] = None; {EVERY_COMMAND}"

    assert importers == {"stores/postgres_session.py", "stores/postgres_faults.py"}
    assert subprocess.run([sys.executable, "-c", without], check=False).returncode == 0


def test_two_modules_import_the_driver_of_clickhouse() -> None:
    """As above."""
    importers = {
        str(path.relative_to(ROOT))
        for path in MODULES
        if any(name.partition(".")[0] in {"clickhouse_connect", "chdb", "urllib3"} for name in imports_of(path))
    }
    without = f"import sys; sys.modules['clickhouse_connect'] = None; {EVERY_COMMAND}"

    assert importers == {"stores/clickhouse_session.py", "stores/clickhouse_faults.py"}
    assert subprocess.run([sys.executable, "-c", without], check=False).returncode == 0


def test_a_command_waits_for_no_import_that_only_others_need() -> None:
    """Rules, alias maps and routers that are simulated are a third of what there is to import."""
    only = "from collector.cli import ueip; ueip(['run', '--help'], standalone_mode=False); import sys; "
    others = "[name for name in sys.modules if name.startswith(('collector.diagnosis', 'collector.simulator'))]"

    assert subprocess.run([sys.executable, "-c", f"{only}sys.exit(len({others}))"], check=False).returncode == 0


def test_the_simulator_shares_no_code_with_the_collector() -> None:
    """Both ends of the wire must not share a mistake."""
    ours = {
        name for path in (ROOT / "simulator").glob("*.py") for name in imports_of(path) if name.startswith("collector.")
    }

    assert {name for name in ours if not name.startswith("collector.simulator")} == set()


def test_modules_stay_readable() -> None:
    """A module that outgrows 250 lines wants a noun of its own; one is a list of nouns already."""
    long = {str(path.relative_to(ROOT)) for path in MODULES if path.read_text("utf-8").count("\n") > 250}

    assert long <= {"model.py"}
