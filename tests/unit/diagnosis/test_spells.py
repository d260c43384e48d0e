"""How long something has been so: outliers, silences, bursts, counters."""

from hypothesis import given
from hypothesis import strategies as st

from collector.diagnosis.spells import Mark, burst, increments, share_spell

HOUR = 60


def marks(*weights: float, every: int = 10, begin: int = 0) -> list[Mark[int]]:
    return [Mark(begin + number * every, weight, number) for number, weight in enumerate(weights)]


def test_a_spell_bears_outliers_of_the_other_kind() -> None:
    """One good sample among bad ones ends nothing."""
    spell = share_spell(marks(0, 0, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1), share=0.7, span=HOUR, least=4)

    assert spell is not None
    assert (20, True, 9) == (spell.since, spell.lasts, len(spell.marks))


def test_a_spell_that_is_over_ends_with_the_last_that_counted() -> None:
    """Not with the window that still held it."""
    spell = share_spell(marks(*[1] * 12, *[0] * 12), share=0.6, span=HOUR, least=4)

    assert spell is not None
    assert (0, 110) == (spell.since, spell.until)


def test_an_outlier_before_or_after_a_spell_is_no_part_of_it() -> None:
    """Though the window that showed it first still held it."""
    spell = share_spell(marks(1, *[0] * 3, *[1] * 12, *[0] * 4, 1, *[0] * 12), share=0.6, span=2 * HOUR, least=4)

    assert spell is not None
    assert (40, 150) == (spell.since, spell.until)


def test_a_spell_is_over_when_as_many_samples_as_it_takes_were_good() -> None:
    """Not only when the windows that hold it have passed; a good one or two end nothing."""
    just, over = (share_spell(marks(*[1] * 20, *[0] * good), share=0.7, span=4 * HOUR, least=4) for good in (3, 4))

    assert just is not None
    assert over is not None
    assert (None, 190) == (just.until, over.until)


def test_what_is_so_for_a_part_of_a_day_only_lasts_over_the_rest_of_it() -> None:
    """Crowded evenings: in the morning it is not over."""
    spell = share_spell(marks(*[1] * 6, *[0] * 14), share=0.2, span=4 * HOUR, least=4)

    assert spell is not None
    assert spell.until is None


def test_better_times_shorter_than_a_span_end_no_spell() -> None:
    """By chance, a window now and then is just below the share."""
    spell = share_spell(marks(*[1] * 12, *[0] * 4, *[1] * 12), share=0.7, span=HOUR, least=4)

    assert spell is not None
    assert (0, 24, 28) == (spell.since, len(spell.marks), spell.seen)


def test_silence_ends_no_spell() -> None:
    """A router switched off at night has been in trouble all week."""
    nights = [*marks(*[1] * 12), *marks(*[1] * 12, begin=1000), *marks(*[1] * 12, begin=2000)]
    spell = share_spell(nights, share=0.7, span=HOUR, least=4)

    assert spell is not None
    assert 0 == spell.since


def test_better_days_between_make_two_spells_and_the_latest_is_told() -> None:
    """Samples that speak against it part them."""
    week = [*marks(*[1] * 12), *marks(*[0] * 30, begin=200), *marks(*[1] * 12, begin=600)]
    spell = share_spell(week, share=0.7, span=HOUR, least=4)

    assert spell is not None
    assert spell.since >= 600


def test_too_few_samples_are_no_spell() -> None:
    """However bad."""
    assert share_spell(marks(1, 1, 1, every=30), share=0.5, span=100, least=4) is None


def test_events_far_apart_are_no_burst() -> None:
    """Only what comes together counts."""
    assert burst(marks(1, 1, 1, 1, every=50), weight=3, span=100, end=200) is None
    assert burst(marks(1, 1, 1, 1, every=30), weight=3, span=100, end=100) is not None


def test_a_burst_lasts_for_a_span_after_its_last_event() -> None:
    """Then it is over."""
    events = marks(1, 1, 1)
    lasting, over = (burst(events, weight=3, span=100, end=end) for end in (100, 200))

    assert lasting is not None
    assert over is not None
    assert (None, 20) == (lasting.until, over.until)


def test_what_came_long_before_a_burst_is_no_part_of_it() -> None:
    """Unless the burst is none without it."""
    stray = Mark(0, 1.0, 99)
    [rich, poor] = (
        burst([stray, *marks(*[1] * number, every=2, begin=90)], weight=4, span=100, end=100) for number in (8, 3)
    )

    assert rich is not None
    assert poor is not None
    assert (90, 0) == (rich.since, poor.since)


def test_silence_parts_no_bursts() -> None:
    """A hotspot that is off at night has had them all week."""
    nights = [*marks(1, 1, 1, begin=0), *marks(1, 1, 1, begin=500)]
    apart = burst(nights, weight=3, span=100, end=600)
    together = burst(nights, weight=3, span=100, end=600, silence=lambda since, until: (until - since) * 3 // 5)

    assert apart is not None
    assert together is not None
    assert (500, 0) == (apart.since, together.since)


@given(st.lists(st.integers(0, 1000), max_size=40))
def test_a_counter_grows_by_no_less_than_it_shows(values: list[int]) -> None:
    """What it lost at a new start nobody knows; nothing is ever taken away."""
    grown = increments((number, float(value), None) for number, value in enumerate(values))

    assert all(mark.weight >= 0 for mark in grown)
    assert sum(mark.weight for mark in grown) >= (values[-1] - values[0] if values else 0)


@given(st.lists(st.sampled_from([0.0, 1.0]), max_size=60), st.sampled_from([0.3, 0.5, 0.9]))
def test_a_spell_begins_and_ends_with_something_that_counted(weights: list[float], share: float) -> None:
    """And holds as much of it as was asked for."""
    spell = share_spell(marks(*weights), share=share, span=HOUR, least=3)

    if spell is not None:
        assert all(mark.weight == 1 for mark in spell.marks)
        assert 1 <= len(spell.marks) <= spell.seen <= len(weights)
