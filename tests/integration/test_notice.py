"""A version of the notice takes effect while routers report: a real broker, a real store, the real clock."""

import time
from typing import Final

from notices import digest_of, later, written

from .harness import Site, consent, report, wait_until

SERIAL: Final = "ZTENOT0000001"
AHEAD: Final = 10.0
"""Seconds until it takes effect; the collector has to be up and one report stored by then."""


def test_a_major_version_closes_at_its_moment_and_a_join_to_it_opens(site: Site) -> None:
    """Nobody restarts anything: reports are stored, then dropped, and stored again once the owner was asked."""
    at = int((time.time() + AHEAD) * 1000)
    written(site.folder, later("v2", "major", "M1", at=at))
    site.configure(consent={"policies": "policies.toml"})
    site.start()
    with site.publisher() as router:
        router.publish(f"ueip/v1/{SERIAL}/report", report(SERIAL))
        wait_until(lambda: site.count("germany") == 1, what="the first record")

        def outdated() -> bool:
            router.publish(f"ueip/v1/{SERIAL}/report", report(SERIAL))
            time.sleep(0.2)
            return site.collector.metrics().dropped.get("policy_outdated", 0) > 0

        wait_until(outdated, 60, what="the end of the consent")
        refused_from = site.count("germany")
        shown = {"policy_version": "v2", "policy_digest": digest_of("v2", "en"), "language": "en"}
        router.publish(f"ueip/v1/{SERIAL}/consent", consent("join", **shown))

        def stored() -> bool:
            router.publish(f"ueip/v1/{SERIAL}/report", report(SERIAL, policy_version="v2"))
            time.sleep(0.2)
            return site.count("germany") > refused_from

        wait_until(stored, what="a record under the new consent")
        wait_until(lambda: not site.collector.metrics().in_flight, what="the last outcome")
    received = site.rows("germany", "SELECT policy_version, received_at FROM record ORDER BY id")
    joins = site.rows("germany", "SELECT json_extract(entry, '$.policy_version') FROM ledger ORDER BY seq")

    assert site.collector.metrics().adds_up()
    assert [("2020-03-14",), ("v2",)] == joins
    assert {("2020-03-14", True), ("v2", False)} == {(version, when < at) for version, when in received}
