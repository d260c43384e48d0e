"""What the simulated fleet is made of: models, their firmware, and the one firmware that is bad on purpose."""

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Firmware:
    """A firmware version and whether it is the bad one."""

    version: str
    bad: bool = False
    """Reboots by watchdog and kernel panic, and a Wi-Fi driver full of errors."""


@dataclass(frozen=True, slots=True)
class Model:
    """A product; its firmware oldest first, so that the last is what the update server offers."""

    name: str
    device_type: str
    hardware: str
    rats: tuple[str, ...]
    """Radio technologies it has, worst first."""
    firmware: tuple[Firmware, ...]
    firmware_weights: tuple[int, ...]
    battery: bool = False

    @property
    def newest(self) -> str:
        """The version the update server offers."""
        return self.firmware[-1].version

    def shipped(self, rng: Random) -> Firmware:
        """Return the firmware one router of this model happens to run."""
        return rng.choices(self.firmware, self.firmware_weights)[0]


_LTE = ("lte", "lte_ca")
_5G = ("lte", "lte_ca", "nr_nsa", "nr_sa")

# The bad firmware sits in the middle of the fleet's commonest model: an engineer must find it by comparing routers
# of one model with each other, not by looking for an odd model.
BAD_FIRMWARE = Firmware("BD_MC888V1.0.0B06", bad=True)

MC888 = Model(
    "MC888", "cpe", "MC888HW-1.2", _5G,
    (Firmware("BD_MC888V1.0.0B04"), BAD_FIRMWARE, Firmware("BD_MC888V1.0.0B08")), (2, 3, 5),
)  # fmt: skip
MC7010 = Model(
    "MC7010", "odu", "MC7010HW-2.0", _5G, (Firmware("BD_MC7010V1.0.0B03"), Firmware("BD_MC7010V1.0.0B05")), (3, 7)
)
G5TS = Model("G5TS", "cpe", "G5TSHW-1.0", _5G, (Firmware("BD_G5TSV1.0.0B02"), Firmware("BD_G5TSV1.0.1B01")), (1, 4))
MF297D = Model(
    "MF297D", "cpe", "MF297DHW-1.0", _LTE, (Firmware("BD_MF297DV1.0.0B11"), Firmware("BD_MF297DV1.0.0B14")), (4, 6)
)
U60_PRO = Model(
    "U60 Pro", "mifi", "MU5250HW-1.0", _5G,
    (Firmware("BD_MU5250V1.0.0B09"), Firmware("BD_MU5250V1.0.0B12")), (1, 3), battery=True,
)  # fmt: skip
MF935 = Model(
    "MF935", "mifi", "MF935HW-1.1", _LTE,
    (Firmware("CR_MF935V1.0.0B02"), Firmware("CR_MF935V1.0.0B05")), (1, 2), battery=True,
)  # fmt: skip

MODELS = (MC888, MC7010, G5TS, MF297D, U60_PRO, MF935)
_MODEL_WEIGHTS = (8, 2, 4, 4, 4, 3)


def pick_model(rng: Random) -> Model:
    """Return a model, the common ones more often."""
    return rng.choices(MODELS, _MODEL_WEIGHTS)[0]
