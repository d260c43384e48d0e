"""Random faults and an oracle: nothing acknowledged is lost or stored twice, nothing forbidden is kept (D5, D20).

`judge` states the rules, `oracle` what is certain and what cannot be, `chaos` the faults. Many rounds: `run.py`.
"""

from .round import play


def test_a_round_of_random_faults(fault_seed: int) -> None:
    """What the broker acknowledged and the owner allows is stored once, in its region; nothing else is in any file."""
    found = play(fault_seed)

    assert [] == found.faults, f"replay with: python -m pytest tests/faults --fault-seed {fault_seed}"
    assert found.verdict.owed > 0
