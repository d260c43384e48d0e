"""The parts of a router: identifiers that cannot be anybody's, and values that stay in bounds for ever."""

from datetime import UTC, datetime, timedelta
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from collector.simulator.battery import Battery
from collector.simulator.habits import SHARES, Habit, assign
from collector.simulator.identity import Identity, with_check_digit
from collector.simulator.products import MODELS
from collector.simulator.radio import Radio
from collector.simulator.world import PLACES, Cell, Place

randoms = st.integers(0, 2**64).map(Random)
places = st.sampled_from(PLACES)


def luhn_holds(digits: str) -> bool:
    """The textbook check, written apart from the one under test."""
    doubled = [int(d) * (1 + i % 2) for i, d in enumerate(reversed(digits))]
    return sum(value // 10 + value % 10 for value in doubled) % 10 == 0


@given(st.text("0123456789", min_size=1, max_size=20))
def test_a_check_digit_makes_luhn_hold(body: str) -> None:
    """Whatever the digits before it."""
    assert luhn_holds(with_check_digit(body))


@given(randoms, places)
def test_identities_look_real_and_belong_to_nobody(rng: Random, place: Place) -> None:
    """Test type codes, valid check digits, a SIM of the place's network, a MAC no maker may sell."""
    identity = Identity.draw(rng, place)

    assert identity.serial.startswith("ZTE")
    assert len(identity.serial) == 13
    assert identity.imei[:2] in {"00", "35"}
    assert len(identity.imei) == 15
    assert luhn_holds(identity.imei)
    assert len(identity.imsi) == 15
    assert identity.imsi.startswith(identity.plmn)
    assert len(identity.iccid) == 19
    assert int(identity.mac[:2], 16) & 0b11 == 0b10


@given(randoms)
def test_cell_numbers_have_the_width_of_their_technology(rng: Random) -> None:
    """28 bits on LTE and its anchor, 36 on standalone 5G."""
    cell = Cell.near(rng)

    assert 0 <= cell.number("lte") < 1 << 28
    assert 0 <= cell.number("nr_sa") < 1 << 36


@given(places, st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_load_is_a_share(place: Place, when: datetime) -> None:
    """At any hour of any place, between nothing and everything."""
    assert 0 <= place.load(when) <= 1


@given(randoms, st.booleans(), st.lists(st.floats(0, 7 * 86400), max_size=30), st.floats(0, 1))
def test_radio_values_stay_in_bounds(rng: Random, poor: bool, spans: list[float], load: float) -> None:
    """However long the walk, however weak the place, however busy the hour."""
    radio = Radio.draw(rng, MODELS[0].rats, poor=poor)
    for seconds in spans:
        radio.advance(seconds)
        reading = radio.measure(load, fading_db=18)
        down, up = radio.speeds(load)

        assert -156 <= float(str(reading["rsrp_dbm"])) <= -31
        assert -120 <= float(str(reading["rssi_dbm"])) <= -20
        assert -43 <= float(str(reading["rsrq_db"])) <= 20
        assert -23 <= float(str(reading["sinr_db"])) <= 40
        assert 0 <= int(str(reading["signal_bars"])) <= 5
        assert 0 <= up <= down <= 125_000_000_000


@given(randoms, st.booleans(), st.lists(st.floats(0, 7 * 86400), max_size=30))
def test_batteries_stay_between_empty_and_full(rng: Random, worn: bool, spans: list[float]) -> None:
    """Also when nobody looked for a week."""
    battery = Battery.draw(rng, worn=worn)
    for seconds in spans:
        battery.advance(seconds)
        reading = battery.reading()

        assert 0 <= int(str(reading["battery_percent"])) <= 100
        assert 0 <= float(str(reading["battery_discharge_percent_per_hour"])) <= 100
        assert -40 <= float(str(reading["battery_temperature_celsius"])) <= 125


@given(randoms, st.integers(0, 3000))
def test_habits_leave_half_of_a_small_fleet_alone_and_most_of_a_large_one(rng: Random, size: int) -> None:
    """Every habit is there once the fleet has room for it."""
    habits = assign(rng, size)

    assert len(habits) == size
    assert habits.count(Habit.NONE) >= size / 2
    assert size < 2 * len(SHARES) or set(habits) == set(Habit)
    assert size < 1000 or habits.count(Habit.NONE) > size * 0.7


def test_hours_differ() -> None:
    """The evening is busier than the night, on the clock of the place."""
    night = datetime(2026, 11, 21, 3, tzinfo=UTC)
    berlin, shenzhen = PLACES[0], PLACES[1]

    assert berlin.load(night) < 0.15 < shenzhen.load(night)
    assert berlin.load(night + timedelta(hours=16)) > 0.8
