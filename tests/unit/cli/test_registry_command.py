"""`ueip registry import`: a file that people made, and what is wrong with it."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from collector.cli import ueip
from collector.cli.setup import make_installation
from collector.errors import Cause, CollectorError, DataFault, StoreUnavailable
from collector.model import Identity
from collector.registry import Entry
from collector.stores.sqlite_registry import SQLiteRegistry

FINE = b"ZTEREG0001,DE,1\n"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """An installation."""
    make_installation(tmp_path / "site")
    return tmp_path / "site"


def run(site: Path, *words: str) -> Result:
    """The command in this installation."""
    return CliRunner().invoke(ueip, ["registry", *words, "-c", str(site / "collector.toml")])


def imported(site: Path, content: bytes) -> Result:
    """A file of this content."""
    file = site / "fleet.csv"
    file.write_bytes(content)
    return run(site, "import", str(file))


def listed(site: Path, router: str) -> str:
    """What stands of a router."""
    return run(site, "show", router).stdout


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (b"ZTEREG0002,DE,1\nM\xfcnchen,DE,1\n", "fleet.csv: found text that is not UTF-8"),
        (b'"' + b"x" * 200_000 + b'",DE,1\n', "fleet.csv: field larger than field limit"),
        (b",DE\n", "line 3: ROUTER: expected the name in its topics"),
        (b"ZTEREG0002\n", "line 3: country: found ''. Expected a country code"),
        (b"ZTEREG0002,DE,0\n", "line 3: generation: expected a whole number, 1 to 10000"),
        (b"ZTEREG0002,DE,10001\n", "line 3: generation: expected a whole number, 1 to 10000"),
        (b"ZTEREG0002,DE,-1\n", "line 3: generation: expected a whole number, 1 to 10000"),
        (b"ZTEREG0002,DE,99999999999999999999\n", "line 3: generation: expected a whole number, 1 to 10000"),
        (b"ZTEREG0001,CN,1\n", "line 3: line 2 says something else of the same router"),
        (b"ZTEREG0001,FR,1\n", "line 3: line 2 says something else of the same router"),
    ],
)
def test_a_file_with_a_fault_enters_nothing_and_says_where_it_is(rows: bytes, told: str, site: Path) -> None:
    """In a sentence, without the router's name."""
    done = imported(site, b"router,country,generation\n" + FINE + rows)

    assert isinstance(done.exception, DataFault)
    assert told in str(done.exception)
    assert "ZTEREG" not in str(done.exception)
    assert not listed(site, "ZTEREG0001")


@pytest.mark.parametrize(
    "content",
    [
        b"country,router\nZTEREG0001,DE\n",
        b"country,router\nDE\n",
        b"router,country,generation\nZTEREG0001,DE,ZTEREG0001\n",
    ],
)
def test_columns_that_were_mixed_up_tell_no_name(content: bytes, site: Path) -> None:
    """What stands in the place of a country or a number may be a router's name."""
    done = imported(site, content)

    assert isinstance(done.exception, DataFault)
    assert "line 2: " in str(done.exception)
    assert "ZTEREG" not in str(done.exception)


def test_a_line_that_comes_twice_is_no_fault(site: Path) -> None:
    """Lists are put together of several."""
    done = imported(site, b"router,country,generation\n" + FINE + FINE)

    assert 0 == done.exit_code
    assert "germany: country DE, generation 1\n" == listed(site, "ZTEREG0001")


def test_a_region_that_is_away_is_told_with_those_that_are_done(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given again, the same file enters the rest."""
    monkeypatch.setattr("collector.stores.sqlite_schema._BUSY_SECONDS", 0.1)
    both = b"router,country\nZTEREG0001,DE\nZTEREG0002,CN\n"
    run(site, "add", "ZTEREG0003", "--country", "CN")
    with closing(sqlite3.connect(site / "data" / "china.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        done = imported(site, both)
        other.execute("ROLLBACK")
    again = imported(site, both)

    assert isinstance(done.exception, StoreUnavailable)
    assert str(done.exception).startswith("china: nothing was entered; done before it: germany: ")
    assert (0, "2 routers read, 1 entered or changed\n") == (again.exit_code, again.stderr.splitlines(True)[-1])


def test_a_long_file_is_entered_page_by_page_and_goes_on_where_it_broke_off(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commits of the region go on between two pages; of millions in one transaction, a database would give up."""
    monkeypatch.setattr("collector.cli.registry.PAGE", 2)
    many = b"router,country\n" + b"".join(b"ZTEREG%04d,DE\n" % number for number in range(5))
    put, pages = SQLiteRegistry.put, list[int]()

    def broken(self: SQLiteRegistry, routers: list[tuple[Identity, Entry]]) -> int:
        pages.append(len(routers))
        if len(pages) == 2:
            raise StoreUnavailable("away", Cause.NOT_ANSWERING)
        return put(self, routers)

    monkeypatch.setattr(SQLiteRegistry, "put", broken)
    done, again = imported(site, many), imported(site, many)

    assert isinstance(done.exception, StoreUnavailable)
    assert str(done.exception) == "germany: only 2 of its 5 routers were entered: away"
    assert [2, 2, 2, 2, 1] == pages
    assert (0, "5 routers read, 3 entered or changed\n") == (again.exit_code, again.stderr.splitlines(True)[-1])
    assert listed(site, "ZTEREG0004")


def test_a_store_whose_name_no_system_takes_is_a_sentence(site: Path) -> None:
    """Not a traceback."""
    config = site / "collector.toml"
    config.write_text(config.read_text().replace('"data/china.sqlite"', f'"{"x" * 300}/china.sqlite"'))
    done = run(site, "show", "ZTEREG0001")

    assert isinstance(done.exception, CollectorError)
