"""The option that replays a round, and what the rounds need."""

import pytest

from collector.broker import find_mosquitto

SEEDS = (3, 10, 12)
"""The rounds of `make test`."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Known when pytest is started on this folder."""
    parser.addoption("--fault-seed", type=int, help="play the round of this seed, and no other")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The round asked for, or the usual ones."""
    if "fault_seed" in metafunc.fixturenames:
        asked = metafunc.config.getoption("--fault-seed", default=None)
        metafunc.parametrize("fault_seed", SEEDS if asked is None else (asked,))


@pytest.fixture(scope="session", autouse=True)
def mosquitto() -> str:
    """The broker's program; without it these tests would prove nothing."""
    found = find_mosquitto()
    if found is None:
        pytest.fail("Mosquitto is not installed and these tests need it. Install it with: apt-get install mosquitto")
    return found
