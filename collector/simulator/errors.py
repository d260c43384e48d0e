"""The one exception of the simulator, apart so that every module may raise it without an import loop."""


class SimulationError(Exception):
    """The simulation cannot go on; the text is one sentence a person can act on."""
