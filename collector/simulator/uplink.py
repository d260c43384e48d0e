"""A router's uplink: the link and its counters, and the sessions with the management server."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from collector.simulator.identity import Identity
from collector.simulator.world import Place

Reading = dict[str, object]

_GIB = 1 << 30


def stamp(when: datetime) -> str:
    """
    Return *when* in the only spelling the wire format knows.

    >>> from datetime import UTC
    >>> stamp(datetime(2026, 11, 21, 17, 0, 0, 999_999, tzinfo=UTC))
    '2026-11-21T17:00:00Z'
    """
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(slots=True)
class Link:
    """The WAN connection and what went through it this month."""

    addresses: Reading
    plmn: str
    apn_class: str
    up_since: datetime
    local_day: int
    local_month: int
    limit_bytes: int
    received: int
    sent: int
    downlink: int = 0
    uplink: int = 0
    disconnects_today: int = 0
    limit_told: bool = False

    @classmethod
    def draw(cls, rng: Random, identity: Identity, place: Place, now: datetime) -> "Link":
        """Return a link that has been up for a while."""
        limit = rng.choice((50, 100, 200, 500)) * _GIB
        # Months are part-used; one in twenty is about to pass its limit.
        used = round(limit * (0.995 if rng.random() < 0.05 else rng.uniform(0.05, 0.9)))
        local = place.local(now)
        return cls(
            addresses=_addresses(rng),
            plmn=identity.plmn,
            apn_class=rng.choice(("operator_default", "operator_default", "operator_default", "custom")),
            up_since=now - timedelta(seconds=rng.randrange(600, 400_000)),
            local_day=local.day,
            local_month=local.month,
            limit_bytes=limit,
            received=used,
            sent=used // 9,
        )

    def advance(self, seconds: float, local: datetime, speeds: tuple[int, int]) -> None:
        """Let *seconds* pass up to *local* time at these speeds; day and month roll over on the router's own clock."""
        if local.month != self.local_month:
            self.received = self.sent = 0
            self.limit_told = False
        if local.day != self.local_day:
            self.disconnects_today = 0
        self.local_day, self.local_month = local.day, local.month
        self.downlink, self.uplink = speeds
        self.received += round(seconds * self.downlink)
        self.sent += round(seconds * self.uplink)

    @property
    def over_limit(self) -> bool:
        """Whether the month's use passed the limit and the router has not said so yet."""
        return self.received + self.sent > self.limit_bytes and not self.limit_told

    def network(self, now: datetime, rat: str, state: str = "connected") -> Reading:
        """Return the group `network` at *now*."""
        return {
            **self.addresses,
            "plmn": self.plmn,
            "rat": rat,
            "wan_connection_state": state,
            "roaming_state": "home",
            "wan_bearer": "cellular",
            "wan_uptime_seconds": max(0, int((now - self.up_since).total_seconds())),
            "apn_class": self.apn_class,
            "wan_disconnects_day": self.disconnects_today,
        }

    def usage(self) -> Reading:
        """Return the group `usage` now."""
        return {
            "wan_rx_bytes_month": self.received,
            "wan_tx_bytes_month": self.sent,
            "uplink_bytes_per_second": self.uplink,
            "downlink_bytes_per_second": self.downlink,
            "data_alert_percent": 90,
        }


@dataclass(slots=True)
class Sessions:
    """The sessions with the management server since the router started."""

    rng: Random
    next_at: datetime
    started: datetime | None = None
    seconds: int = 0
    total: int = 0
    every_seconds: tuple[int, int] = (1200, 4000)
    """The least and the most from one session to the next."""

    @classmethod
    def draw(cls, rng: Random, now: datetime) -> "Sessions":
        """Return sessions of which the first is still to come, so that nothing predates the first report."""
        return cls(rng, now + timedelta(seconds=rng.randrange(60, 1800)))

    def advance(self, now: datetime) -> None:
        """Let the session that was due take place, and end by *now*."""
        if now < self.next_at:
            return
        self.seconds = min(self.rng.randint(4, 60), int((now - self.next_at).total_seconds()))
        self.started = self.next_at
        self.total += self.seconds
        self.next_at = now + timedelta(seconds=self.rng.randrange(*self.every_seconds))

    def forget(self, now: datetime) -> None:
        """Forget the sessions that began by *now*."""
        self.started, self.total = None, 0
        self.next_at = max(self.next_at, now + timedelta(seconds=60))

    def reading(self) -> Reading:
        """Return the group `session`; empty before the first."""
        if self.started is None:
            return {}
        return {
            "acs_session_start_time": stamp(self.started),
            "acs_session_end_time": stamp(self.started + timedelta(seconds=self.seconds)),
            "acs_session_seconds": self.seconds,
            "acs_session_seconds_total": self.total,
        }


def _addresses(rng: Random) -> Reading:
    drawn = rng.random()
    if drawn < 0.55:
        ipv4 = f"100.{rng.randint(64, 127)}.{rng.randrange(256)}.{rng.randint(1, 254)}"
    elif drawn < 0.85:
        ipv4 = f"10.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randint(1, 254)}"
    elif drawn < 0.97:
        ipv4 = f"88.{rng.randint(64, 79)}.{rng.randrange(256)}.{rng.randint(1, 254)}"
    else:
        # Behind a second router that uses the same range: the fault that `lan_wan_subnet_overlap` is for.
        ipv4 = f"192.168.0.{rng.randint(2, 254)}"
    addresses: Reading = {"wan_ipv4": ipv4, "lan_ipv4": "192.168.0.1/24"}
    if rng.random() < 0.4:
        addresses["wan_ipv6"] = "2a00:" + ":".join(f"{rng.randint(1, 0xFFFF):x}" for _ in range(7))
    return addresses
