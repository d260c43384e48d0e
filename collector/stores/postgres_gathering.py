"""The rows of a PostgreSQL store behind `gather`: what is remembered of routers, and samples not complete yet."""

from collections.abc import Mapping, Sequence
from typing import Final

from collector.derive import encode
from collector.stores.gathering import Gathered, Stored, gather, remembered
from collector.stores.plan import Insert
from collector.stores.postgres_session import Session

MEMORIES: Final = "SELECT router_id, state FROM ueip.memory WHERE router_id = ANY($1::bigint[])"
# All parts float.
_BEGUN: Final = "SELECT record_id, body, consent_seq FROM ueip.record WHERE floating AND record_id = ANY($1::bytea[])"
_UPDATE: Final = """
    UPDATE ueip.record r SET body = new.body FROM unnest($1::bytea[], $2::text[]) AS new(record_id, body)
    WHERE r.floating AND r.record_id = new.record_id"""
REMEMBER: Final = """
    INSERT INTO ueip.memory SELECT * FROM unnest($1::bigint[], $2::bytea[])
    ON CONFLICT (router_id) DO UPDATE SET state = excluded.state"""


async def gathered(
    session: Session, inserts: list[Insert], ids: Mapping[bytes, int], acts: Mapping[bytes, Sequence[int]]
) -> Gathered:
    """The inserts as they are to be written, derived and put together; records begun earlier are updated here.

    *acts* are as for `gather`.

    To be run in a transaction alone in its region, after its erasures: nothing is derived from what they forgot.
    """
    refs = {ids[i.standing.device_ref]: i.standing.device_ref for i in inserts if i.record.counters is not None}
    parts = [i.record.record_id for i in inserts if i.record.interval is not None]
    memories = {refs[row[0]]: remembered(row[1]) for row in await session.rows(MEMORIES, list(refs))}
    found = await session.rows(_BEGUN, parts) if parts else []
    begun = {row[0]: Stored(row[1].encode(), row[2]) for row in found}
    made = gather(inserts, memories, begun, acts)
    if made.updates:
        bodies = [part.record.body.decode() for part in made.updates.values()]
        await session.do(_UPDATE, list(made.updates), bodies)
    if made.memories:
        states = [encode(memory) for memory in made.memories.values()]
        await session.do(REMEMBER, [ids[ref] for ref in made.memories], states)
    return made
