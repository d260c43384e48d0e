"""A store names versions of the notice; without them it cannot be judged what its consents admit."""

from pathlib import Path

import msgspec
import pytest
from notices import digest_of, later, notice
from records import HOUR, START, join, leave

from collector.consent.policies import Policies
from collector.errors import Cause, StoreUnusable
from collector.model import Region
from collector.stores.plan import ConsentRules
from collector.stores.sqlite import SQLiteStore
from collector.stores.sqlite_schema import inspect

V2 = later("v2", "minor", at=START)
JOIN = msgspec.structs.replace(join(), policy_version="v2", policy_digest=digest_of("v2", "en"))


def store(path: Path, policies: Policies) -> SQLiteStore:
    """A store of a collector that knows these versions."""
    return SQLiteStore(path, Region.GERMANY, ConsentRules(policies=policies))


async def test_a_store_with_consents_to_a_version_that_was_taken_out_is_refused(tmp_path: Path) -> None:
    """What is dropped does not come back: the region is closed until the version is there again."""
    path = tmp_path / "germany.db"
    first = store(path, notice(V2))
    await first.open()
    await first.commit([JOIN])
    await first.close()
    without = store(path, notice())
    with pytest.raises(StoreUnusable, match="holds consents to version v2 of the notice") as refused:
        await without.open()
    with pytest.raises(StoreUnusable, match="holds consents to version v2 of the notice"):
        inspect(path, Region.GERMANY, (), notice().ends)
    again = store(path, notice(V2))
    await again.open()
    await again.close()

    assert Cause.LOST_VERSION is refused.value.cause
    assert refused.value.cause.doubts_the_ledger


async def test_who_left_under_it_does_not_matter(tmp_path: Path) -> None:
    """Only consents that stand are judged."""
    path = tmp_path / "germany.db"
    first = store(path, notice(V2))
    await first.open()
    await first.commit([JOIN, leave(at=START + HOUR)])
    await first.close()
    without = store(path, notice())
    await without.open()
    await without.close()

    inspect(path, Region.GERMANY, (), notice().ends)
