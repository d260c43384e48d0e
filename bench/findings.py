"""What the rules find of what was planted, and what they find in vain: the ward, larger than a test has time for.

    python bench/findings.py --seed 31 [--minutes 20] [--days 7] [--each 40] [--healthy 0] [--restarts]

Routers live for some days, report every so many minutes, and the collector's own steps make records of it, all but the
store. With --restarts, how seldom restarts may come and still be found, instead of the faults as they are planted.
Seeds are for once: whoever looked at what one finds and changed a rule takes another.
"""

import argparse
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from collector.cli.setup import make_installation
from collector.config import load_settings
from collector.diagnosis.history import DAY, History
from collector.diagnosis.judging import checked_rules, diagnose
from collector.model import Accepted, Message
from collector.pipeline import Rules, process
from collector.rules import make_rules
from collector.simulator.ailments import AILMENTS, Ailment, restarting
from collector.simulator.ward import Delivery, Patient, Ward
from collector.stores import StoredRecord

START: Final = datetime(2026, 11, 9, tzinfo=UTC)
A_DAY: Final = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
REASONS: Final = {
    "restarts_watchdog": ("watchdog",),
    "restarts_crash": ("kernel_panic", "out_of_memory"),
    "restarts_power": ("power_loss",),
    "restarts_thermal": ("overheat",),
    "restarts_unexplained": ("unknown",),
}


def examined(
    options: argparse.Namespace, rules: Rules, ailments: Sequence[Ailment]
) -> Iterator[tuple[Patient, set[str]]]:
    """Every router of a ward, and the rules that find something in it."""
    ward = Ward(healthy=options.healthy, each=options.each, seed=options.seed, start=START, ailments=ailments)
    now = int((START + timedelta(days=options.days)).timestamp() * 1000)
    for patient, sent in ward.days(options.days, timedelta(minutes=options.minutes)):
        history = History(_stored(sent, rules), since=now - options.days * DAY, now=now)
        yield patient, {finding.rule for finding in diagnose(history, checked_rules())}


def _stored(sent: Sequence[Delivery], rules: Rules) -> Iterator[StoredRecord]:
    for delivery in sent:
        received_at = int(delivery.received_at.timestamp() * 1000)
        outcome = process(Message(delivery.topic, delivery.payload, False, received_at), rules)
        if isinstance(outcome, Accepted):
            record = outcome.record
            yield StoredRecord(
                record_id=record.record_id,
                device_ref=record.identity.device_ref,
                key_id=record.identity.key_id,
                event_time=record.event_time,
                received_at=record.received_at,
                consent_id="",
                consent_seq=0,
                policy_version="",
                source_adapter=record.source_adapter,
                stripped={},
                body=record.body,
            )


def planted(options: argparse.Namespace, rules: Rules) -> None:
    """Every fault as it is planted, and healthy routers."""
    there: Counter[str] = Counter()
    found: Counter[str] = Counter()
    in_vain: Counter[str] = Counter()
    for patient, told in examined(options, rules, AILMENTS):
        if patient.planted is None:
            in_vain.update(told)
        else:
            there[patient.planted] += 1
            found[patient.planted] += patient.planted in told
    print(f"found: {found.total():,} of {there.total():,}")
    for name, count in there.items():
        if found[name] < count:
            print(f"  {name}: {found[name]} of {count}")
    days = options.healthy * options.days
    print(f"findings in {days:,} healthy router-days: {in_vain.total()} {dict(in_vain) or ''}")


def seldom(options: argparse.Namespace, rules: Rules) -> None:
    """Restarts at several rates."""
    print("restarts a day".ljust(24), *(f"{rate:>6g}" for rate in A_DAY))
    for name, reasons in REASONS.items():
        found = []
        for rate in A_DAY:
            ailment = Ailment(name, show=restarting(*reasons, rate=rate / 24))
            found.append(sum(name in told for _, told in examined(options, rules, [ailment])))
        print(name.ljust(24), *(f"{count:>6}" for count in found), f"  of {options.each}", flush=True)


def main() -> None:
    """Measure what is asked for."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seed", type=int, required=True)
    options.add_argument("--minutes", type=float, default=20.0)
    options.add_argument("--days", type=int, default=7)
    options.add_argument("--each", type=int, default=40)
    options.add_argument("--healthy", type=int, default=0)
    options.add_argument("--restarts", action="store_true")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        make_installation(Path(folder))
        rules = make_rules(load_settings(Path(folder) / "collector.toml"))
        (seldom if asked.restarts else planted)(asked, rules)


if __name__ == "__main__":
    main()
