"""Judges a round: compares what the stores hold with what the oracle knows.

The ledger is a witness that is cross-examined first (`ledger_faults`); then it says in which order a command and a
message came, and when a join was received, which nobody outside can know. The rules:

Rule 1: every entry of a ledger is explained by an act: an event by its id, a command by having run, an exit by report
        by one refusing report each, a join by flag by the time of a flagged report sent no later than the first certain
        one. Each event counts once. The chain holds, and `router` says what the last entry says.
Rule 2: every certain exit by event or command is in the ledger. A router that ends as joined was not left by any
        certain act numbered above the act that joined it.
Rule 3: every certain join is in the ledger, unless an exit there took effect within the second before the time the join
        names, or after it: a join that is not newer by a second is none (docs/decisions/0004).
Rule 4: a certain flagged report of a router that ends as joined, measured at or after that consent took effect, is in
        its region exactly once. One that is uncertain is there once or not at all. Every other report is in no file.
        What an exit erased may leave bytes in the free space of its region's own file, counted as `remains`: the
        catalogue (4.5) gives its erasure a day. Where no exit erased it, it is `leaked`.
Rule 5: canaries and serial numbers are in no file, in no disguise.
"""

import asyncio
import hmac
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Final

from integration.harness import REGIONS, files_below, traces
from ledgers import first_fault

from collector.consent.ledger import LedgerEntry
from collector.model import Action, Region
from collector.stores.plan import ConsentRules
from collector.stores.sqlite import SQLiteStore

from .oracle import Act, Kind, Oracle
from .place import Place
from .witness import ledger_faults

TOKEN: Final = re.compile(rb"vq[0-9a-f]+z[0-9]+z")


@dataclass
class Verdict:
    """What was found wrong, by kind, and how much was right."""

    faults: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    stored: int = 0
    owed: int = 0

    def add(self, kind: str, text: str) -> None:
        """Note a fault."""
        self.faults[kind].append(text)


class Judge:
    """Judges one round after everything has stopped."""

    def __init__(self, place: Place, oracle: Oracle, *, registered: bool) -> None:
        self._place, self._oracle, self._registered = place, oracle, registered
        self.verdict = Verdict()
        self._keys = {region: (place.folder / "keys" / f"{region}.key").read_bytes() for region in REGIONS}
        self._ledgers: dict[str, list[LedgerEntry]] = {}
        self._by_token = {act.token: act for act in oracle.reports()}

    def judge(self, canary: str) -> Verdict:
        """Everything that can be seen in the files."""
        kept: dict[str, set[str]] = {}
        for region in REGIONS:
            ledger = self._ledgers[region] = asyncio.run(self._ledger(region))
            self._chain(region, ledger)
            stored = self._stored(region)
            self._region(region, ledger, stored)
            kept[region] = set(stored)
        self._files(kept)
        for word in (canary, *(router.serial for router in self._oracle.routers)):
            for name in traces(word, ((n, c) for n, c in files_below(self._place.folder) if not n.endswith("filler"))):
                self.verdict.add("leaked", f"{word} in {name}")
        return self.verdict

    async def _ledger(self, region: str) -> list[LedgerEntry]:
        store = SQLiteStore(self._place.store(region), Region(region), ConsentRules())
        await store.open()
        try:
            return await store.ledger()
        finally:
            await store.close()

    def _chain(self, region: str, ledger: list[LedgerEntry]) -> None:
        if fault := first_fault(ledger):
            self.verdict.add("ledger", f"{region}: the chain breaks at {fault}")
        if [("ok",)] != self._place.rows(region, "PRAGMA integrity_check"):
            self.verdict.add("ledger", f"{region}: the file is damaged")
        says = {entry.device_ref: entry.standing().state.value for entry in ledger}
        holds = {ref.hex(): state for ref, state in self._place.rows(region, "SELECT device_ref, state FROM router")}
        if says != holds:
            self.verdict.add("ledger", f"{region}: the states {holds} are not those of the ledger {says}")

    def _stored(self, region: str) -> Counter[str]:
        """The tokens of the region's records."""
        bodies = self._place.rows(region, "SELECT body FROM record")
        return Counter(token.decode() for (body,) in bodies for token in TOKEN.findall(body.encode()))

    def _region(self, region: str, ledger: list[LedgerEntry], stored: Counter[str]) -> None:
        mine = {self._ref(region, f"router\0{r.serial}"): r for r in self._oracle.routers if r.region == region}
        for entry in ledger:
            if entry.device_ref not in mine:
                self.verdict.add("misrouted", f"{region}: entry {entry.seq} is of no router of this region")
        owed: Counter[str] = Counter()
        may: set[str] = set()
        for ref, router in mine.items():
            entries = [entry for entry in ledger if entry.device_ref == ref]
            self._examine(region, router.serial, entries)
            for act in self._admitted(router.serial, entries):
                (owed.update([act.token]) if self._oracle.certain(act) else may.add(act.token))
        self.verdict.owed += owed.total()
        self.verdict.stored += stored.total()
        for token in owed - stored:
            self.verdict.add("lost", f"{region}: {self._words(token)}")
        for token, times in stored.items():
            if times > 1:
                self.verdict.add("duplicated", f"{region}: {times} times {self._words(token)}")
            if token not in owed and token not in may:
                self.verdict.add("leaked", f"{region}: {self._words(token)}")

    def _admitted(self, serial: str, entries: list[LedgerEntry]) -> list[Act]:
        """The reports that the router's present consent admits (rule 4)."""
        if not entries or entries[-1].standing().state.value != "joined":
            return []
        since = entries[-1].effective_at
        return [act for act in self._oracle.of(serial) if act.kind is Kind.FLAGGED and act.time >= since]

    def _examine(self, region: str, serial: str, entries: list[LedgerEntry]) -> None:
        """Cross-examine what the ledger says of one router (rules 1 to 3)."""
        refs = {act.id: self._ref(region, self._named(serial, act)) for act in self._oracle.of(serial)}
        for fault in ledger_faults(self._oracle, serial, entries, refs, registered=self._registered):
            self.verdict.add("ledger", f"{region}: {serial}: {fault}")

    @staticmethod
    def _named(serial: str, act: Act) -> str:
        """What an act's pseudonym is made of: a join under the id of an exit is another act."""
        own = "\0join" if act.kind is Kind.JOIN else ""
        return f"consent event\0{serial}\0{act.id}{own}"

    def _files(self, kept: dict[str, set[str]]) -> None:
        """No file holds a value that is not one of its region's records (rule 4, raw bytes)."""
        for name, content in files_below(self._place.folder):
            region = next((r for r in REGIONS if f"{r}.sqlite" in name), None)
            found = {token.decode() for token in TOKEN.findall(content)}
            for token in found - kept.get(region or "", set()):
                kind = (
                    "remains" if region and name.endswith(".sqlite") and self._was_erased(region, token) else "leaked"
                )
                self.verdict.add(kind, f"raw bytes of {name}: {self._words(token)}")

    def _was_erased(self, region: str, token: str) -> bool:
        """Whether it was admitted once, and an exit came after it was sent: it may have been stored until then."""
        act = self._by_token.get(token)
        if act is None or act.kind is not Kind.FLAGGED or act.region != region:
            return False
        ref = self._ref(region, f"router\0{act.router}")
        since: int | None = None
        for entry in (entry for entry in self._ledgers[region] if entry.device_ref == ref):
            if entry.action is Action.JOIN:
                since = entry.effective_at
            elif since is not None and since <= act.time and act.began <= entry.received_at:
                return True
            else:
                since = None
        return False

    def _ref(self, region: str, text: str) -> str:
        return hmac.digest(self._keys[region], text.encode(), "sha256")[:16].hex()

    def _words(self, token: str) -> str:
        act = self._by_token.get(token)
        if act is None:
            return f"{token}, which was never sent"
        sure = "certain" if self._oracle.certain(act) else "uncertain"
        return f"{token}: report {act.number} ({act.kind.value}, {sure}) of {act.router}, measured at {act.time}"
