"""How often one place may ask: as often as the limit says however hard it tries, and from however many addresses."""

from pathlib import Path

import httpx2
import pytest
from consoles import Visit

from collector.config_console import ConsoleSettings
from collector.console.app import names_of
from collector.console.shield import AT_ONCE, Rate, _host


class Hands:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("per_second", [11, 20, 1000])
def test_who_asks_too_often_is_slowed_down_and_not_shut_out(per_second: int) -> None:
    """Of whoever shares the address with a script that does not let up, some come through."""
    clock = Hands()
    rate, taken = Rate(10, 60, clock=clock), list[bool]()
    for _ in range(120 * per_second):
        clock.now += 1 / per_second
        taken.append(rate.take("office"))

    assert 590 <= sum(taken[60 * per_second :]) <= 601


@pytest.mark.parametrize(
    ("host", "asked"),
    [
        ("Console.Example", "console.example"),
        ("2001:DB8::1", "[2001:db8::1]"),
        ("2001:db8:0:0:0:0:0:1", "[2001:db8::1]:9466"),
        ("::", "[::]:9466"),
    ],
)
def test_a_name_is_one_however_the_settings_write_it(host: str, asked: str) -> None:
    """Browsers write it in one way."""
    settings = ConsoleSettings(host=host, cert_file=Path("c"), key_file=Path("k"))

    assert _host(asked) in names_of(settings)


async def test_who_has_a_network_has_one_allowance(visit: Visit) -> None:
    """Of IPv6 whoever has one address has 2**64 of them."""
    statuses = []
    for number in range(int(AT_ONCE) + 40):
        transport = httpx2.ASGITransport(visit.app, client=(f"2001:db8:1:2::{number:x}", 1234))
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            statuses.append((await client.get("/api/v1/routers/guess")).status_code)

    assert 429 in statuses
