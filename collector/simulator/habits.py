"""The bad habits routers have, and how many of a fleet have each."""

from enum import Enum, auto
from random import Random


class Habit(Enum):
    """One way to misbehave, or none."""

    NONE = auto()
    FLAG_ABSENT = auto()
    FLAG_FALSE = auto()
    FLAG_TEXT = auto()
    LOOK_ALIKE = auto()
    COUNTRY_UNUSABLE = auto()
    ROAMS_ACROSS = auto()
    LEAKS = auto()
    CLOCK_UNSET = auto()
    CLOCK_UNSET_WITH_UPTIMES = auto()
    CLOCK_AHEAD = auto()
    RETAINS = auto()
    REPEATS = auto()
    WRONG_TOPIC = auto()
    TRUNCATES = auto()
    OVERSIZE = auto()
    NAMES_ANOTHER = auto()
    SCHEMA_TOO_NEW = auto()
    MESSAGE_ID_MISSING = auto()
    UNKNOWN_KEYS = auto()
    OUT_OF_BOUNDS = auto()
    LEAVES = auto()
    LEAVES_AND_REJOINS = auto()


# Share of the fleet with each habit, the most instructive first: a small fleet gets the first ones only. Together
# about a quarter; a real fleet has far fewer, but nobody could watch for them.
SHARES: dict[Habit, float] = {
    Habit.LEAVES: 0.015,  # owners who leave; their routers go on for a while
    Habit.LEAKS: 0.03,  # firmware that sends what must stay on the router
    Habit.FLAG_ABSENT: 0.03,  # most routers without consent: the owner was never asked
    Habit.FLAG_FALSE: 0.02,  # the owner said no, and the firmware sends regardless
    Habit.ROAMS_ACROSS: 0.01,  # taken along to another region
    Habit.COUNTRY_UNUSABLE: 0.01,  # missing, lower case, or an unofficial code
    Habit.REPEATS: 0.015,  # poor links: QoS 1 says at least once
    Habit.CLOCK_UNSET: 0.01,  # never heard of NTP, and sends no uptimes: 1970, or no time at all
    Habit.CLOCK_UNSET_WITH_UPTIMES: 0.01,  # the same, but does it right
    Habit.FLAG_TEXT: 0.01,  # a flag of the wrong type
    Habit.LOOK_ALIKE: 0.01,  # flags of other programmes
    Habit.LEAVES_AND_REJOINS: 0.01,
    Habit.RETAINS: 0.005,
    Habit.TRUNCATES: 0.005,
    Habit.NAMES_ANOTHER: 0.005,
    Habit.CLOCK_AHEAD: 0.005,
    Habit.UNKNOWN_KEYS: 0.01,
    Habit.OUT_OF_BOUNDS: 0.01,
    Habit.WRONG_TOPIC: 0.005,
    Habit.OVERSIZE: 0.002,  # few: each is as large as thirty good ones
    Habit.SCHEMA_TOO_NEW: 0.005,
    Habit.MESSAGE_ID_MISSING: 0.005,
}


def assign(rng: Random, places: int) -> list[Habit]:
    """
    Return the habits of *places* routers in mixed order.

    At least one of each habit if they fit into half of the fleet, else the first ones of `SHARES`.
    """
    wanted = [habit for habit, share in SHARES.items() for _ in range(max(1, round(share * places)))]
    one_of_each = list(SHARES)
    for habit in one_of_each:
        wanted.remove(habit)
    habits = (one_of_each + wanted)[: places // 2]
    habits += [Habit.NONE] * (places - len(habits))
    rng.shuffle(habits)
    return habits
