"""One filled installation for all tests of the console; each test has a console and an audit log of its own."""

from pathlib import Path

import pytest
from consoles import House, Visit, house


@pytest.fixture(scope="session")
def a_house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """Filled once; what changes records is done in one of the test's own."""
    return house(tmp_path_factory.mktemp("house"))


@pytest.fixture
def visit(a_house: House, tmp_path: Path) -> Visit:
    """A console of it, with logs of its own."""
    audit = a_house.settings.audit.model_copy(update={"folder": tmp_path / "audit", "heads": tmp_path / "heads"})
    settings = a_house.settings.model_copy(update={"audit": audit})
    return Visit(House(settings, a_house.rules, a_house.serials, a_house.ailing))
