"""A fleet of routers that behaves and misbehaves, for demos, tests and load.

It stands on the other side of the wire: it shares no code with the collector, and speaks MQTT through another
implementation, so that what both agree on is the wire format and not a common mistake.
"""

from collector.simulator.casting import Highlight
from collector.simulator.errors import SimulationError
from collector.simulator.fleet import Fleet
from collector.simulator.leaks import CANARY
from collector.simulator.pacing import Phase, Progress, Tally, run
from collector.simulator.publication import Publication
from collector.simulator.publisher import Endpoint, Publisher

__all__ = [
    "run",
    "Endpoint",
    "Progress",
    "Phase",
    "Tally",
    "Fleet",
    "Highlight",
    "Publication",
    "Publisher",
    "SimulationError",
    "CANARY",
]
