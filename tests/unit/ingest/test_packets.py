"""What a connection subscribes to, and what it must not be subscribed to any more."""

import pytest

from collector.ingest.packets import ALONE, Membership, topic_filters, unwanted_filters
from collector.link_metrics import LinkName
from collector.source_settings import SourceSettings

SOURCE = SourceSettings.model_validate(
    {"name": "s", "topic": "zte/#", "format": "goform", "router_from": "topic", "router_level": 2}
)
GROUP = Membership("g", former="ueip")
LEAVING = Membership("g", former="ueip", leaves=True)


def patterns(name: LinkName, membership: Membership) -> set[str]:
    """The topics asked for, the collector's own left out."""
    found = {wanted.pattern for wanted in topic_filters(name, "c", [SOURCE], membership)}
    return {pattern for pattern in found if not pattern.startswith("ueip/probe/")}


def test_reports_are_shared_in_a_group_and_consent_events_never() -> None:
    """Every member hears every act; each report goes to one."""
    assert {"ueip/v1/#", "zte/#"} == patterns("reports", ALONE)
    assert {"$share/g/ueip/v1/#", "$share/g/zte/#"} == patterns("reports", GROUP)
    assert {"ueip/v1/+/consent"} == patterns("consent", ALONE) == patterns("consent", GROUP)
    assert set() == patterns("reports", LEAVING) == patterns("consent", LEAVING)


@pytest.mark.parametrize("membership", [ALONE, GROUP, LEAVING])
def test_what_is_asked_for_is_never_given_up(membership: Membership) -> None:
    """Or a worker would end its own subscription at every connect."""
    for name in ("reports", "consent"):
        assert not patterns(name, membership) & set(unwanted_filters(name, [SOURCE], membership))


def test_a_shared_subscription_asks_for_what_it_may() -> None:
    """No Local is a protocol error there (MQTT 5, 3.8.3.1)."""
    shared = [wanted for wanted in topic_filters("reports", "c", (), GROUP) if wanted.pattern.startswith("$share")]

    assert [False] == [wanted.no_local for wanted in shared]
    assert [True] == [wanted.no_local for wanted in topic_filters("reports", "c") if wanted.pattern == "ueip/v1/#"]


def test_who_shares_gives_up_having_all_and_who_has_all_gives_up_sharing() -> None:
    """A session may have been either before."""
    shared_before = Membership(None, former="ueip")

    assert [] == unwanted_filters("reports", [SOURCE], ALONE)
    assert {"ueip/v1/#", "zte/#", "$share/ueip/ueip/v1/#", "$share/ueip/zte/#"} == set(
        unwanted_filters("reports", [SOURCE], GROUP)
    )
    assert {"$share/ueip/ueip/v1/#", "$share/ueip/zte/#"} == set(unwanted_filters("reports", [SOURCE], shared_before))
    assert [] == unwanted_filters("consent", [SOURCE], GROUP)


def test_who_leaves_gives_up_everything() -> None:
    """Whatever it was before."""
    left = set(unwanted_filters("reports", [SOURCE], LEAVING))

    assert left == {p for group in ("", "$share/g/", "$share/ueip/") for p in (f"{group}ueip/v1/#", f"{group}zte/#")}
    assert ["ueip/v1/+/consent"] == unwanted_filters("consent", [SOURCE], LEAVING)
