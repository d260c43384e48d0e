"""What a connection does, as operators are told."""

import pytest

from collector.config_broker import BrokerSettings
from collector.errors import BrokerRefused
from collector.ingest.condition import Condition
from collector.ingest.hold import Hold
from collector.ingest.trouble import Trouble
from collector.link_metrics import LinkName
from collector.metrics import Metrics


class Told:
    """A condition, its trouble, and what is told of them."""

    def __init__(self, name: LinkName = "reports") -> None:
        self._name: LinkName = name
        self._metrics = Metrics()
        self.trouble = Trouble(name, BrokerSettings(), self._metrics)
        self.condition = Condition(name, self._metrics, self.trouble)

    @property
    def words(self) -> tuple[str, str]:
        """The state in the metric, and the words of /readyz."""
        return self._metrics.links.connection[self._name], self.condition.words()


def test_reports_that_wait_for_the_consent_topic_are_held_and_go_on_where_they_were() -> None:
    """Another reason to hold them, as full memory, is nothing that operators are told here."""
    told = Told()
    told.condition.become("connecting")
    told.condition.accepted()
    told.condition.hold(Hold.MEMORY)
    full = told.words
    told.condition.hold(Hold.CONSENT)
    waiting = told.words
    told.condition.release(Hold.CONSENT)

    assert ("connected", "connected") == full == told.words
    assert ("held", "held until the consent topic is read") == waiting
    assert told.condition.is_held


def test_a_connection_that_is_not_made_yet_does_not_stand_because_it_is_released() -> None:
    """It has to be made first."""
    told = Told()
    told.condition.hold(Hold.CONSENT)
    told.condition.become("held")
    told.condition.hold(Hold.CLOCK)
    behind = told.words
    told.condition.release(Hold.CLOCK)
    told.condition.release(Hold.CONSENT)

    assert ("held", "held until the clock is right") == behind
    assert "held" == told.words[0]
    assert not told.condition.is_held


@pytest.mark.parametrize(("name", "first"), [("reports", "connected"), ("consent", "draining")])
def test_what_kept_it_from_working_is_told_until_it_works(name: LinkName, first: str) -> None:
    """Consent events have to be read to their end before their connection is called connected."""
    told = Told(name)
    told.trouble.failed(BrokerRefused("the broker refused the connection: banned"))
    told.condition.become("waiting")
    refused = told.words
    told.condition.become("connecting")
    again = told.words
    told.condition.accepted()
    accepted = told.words[0]

    assert ("waiting", "the broker refused the connection: banned") == refused
    assert ("connecting", "the broker refused the connection: banned") == again
    assert first == accepted
    assert (name == "consent") is told.condition.returned()
    assert ("connected", "connected") == told.words
    assert not told.condition.returned()
