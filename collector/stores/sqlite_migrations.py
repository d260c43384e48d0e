"""The schema of a SQLite store, as the steps that lead to it.

Rule 1: a migration, once released, never changes; a new one is added at the end.
"""

from typing import Final

MIGRATIONS: Final = (
    """
    CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

    -- The ledger (D2). `entry` is the whole entry as JSON; the columns beside it are for finding it.
    CREATE TABLE ledger (
        seq INTEGER PRIMARY KEY,
        device_ref BLOB NOT NULL,
        event_ref BLOB,
        hash TEXT NOT NULL,
        entry TEXT NOT NULL
    );
    CREATE INDEX ledger_by_router ON ledger (device_ref, seq);
    CREATE UNIQUE INDEX ledger_by_event ON ledger (event_ref) WHERE event_ref IS NOT NULL;
    CREATE TRIGGER ledger_keeps_entries BEFORE UPDATE ON ledger
        BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
    CREATE TRIGGER ledger_loses_nothing BEFORE DELETE ON ledger
        BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
    CREATE TRIGGER ledger_only_grows BEFORE INSERT ON ledger WHEN NEW.seq <= (SELECT max(seq) FROM ledger)
        BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;

    -- What the ledger says of each router now. The number stands for the pseudonym in `record`: rows stay small.
    CREATE TABLE router (
        id INTEGER PRIMARY KEY,
        device_ref BLOB NOT NULL UNIQUE,
        key_id TEXT NOT NULL,
        state TEXT NOT NULL,
        seq INTEGER NOT NULL,
        consent_id TEXT NOT NULL,
        generation INTEGER NOT NULL,
        effective_at INTEGER NOT NULL,
        policy_version TEXT NOT NULL,
        storage_regions TEXT NOT NULL,
        attested INTEGER NOT NULL,
        holds TEXT NOT NULL,
        beneath TEXT,
        erased_until INTEGER NOT NULL
    );
    CREATE INDEX router_closed ON router (state) WHERE state <> 'joined';

    CREATE TABLE record (
        id INTEGER PRIMARY KEY,
        record_id BLOB NOT NULL UNIQUE,
        router_id INTEGER NOT NULL REFERENCES router (id),
        event_time INTEGER NOT NULL,
        received_at INTEGER NOT NULL,
        consent_seq INTEGER NOT NULL,
        policy_version TEXT NOT NULL,
        source_adapter TEXT NOT NULL,
        stripped TEXT,
        body TEXT NOT NULL
    );
    CREATE INDEX record_by_router ON record (router_id, event_time);

    -- Hashes of the ids of erased records, so that a message that comes again does not bring one back (K09).
    CREATE TABLE tombstone (record_id BLOB PRIMARY KEY, erased_at INTEGER NOT NULL) WITHOUT ROWID;

    -- The registry's index: pseudonyms of serial, IMEI and MAC, for looking forward only (F7).
    CREATE TABLE lookup (
        ref BLOB NOT NULL,
        kind TEXT NOT NULL,
        router_id INTEGER NOT NULL REFERENCES router (id),
        PRIMARY KEY (ref, kind, router_id)
    ) WITHOUT ROWID;
    CREATE INDEX lookup_by_router ON lookup (router_id);
    """,
    """
    -- What the next sample of a router is compared with; of formats that name states and counters, not events.
    CREATE TABLE memory (router_id INTEGER PRIMARY KEY REFERENCES router (id), state BLOB NOT NULL);

    -- The deployment's own list of routers and countries (D17). Not of their consent: an exit leaves it as it is.
    CREATE TABLE registry (
        device_ref BLOB PRIMARY KEY,
        key_id TEXT NOT NULL,
        country TEXT NOT NULL,
        generation INTEGER NOT NULL
    ) WITHOUT ROWID;
    """,
    """
    -- One index finds the records of a router and keeps each unique, for an index by ids, which are hashes, has a page
    -- of its own to write for nearly every record. Of a record whose other deliveries may have another time
    -- (`Record.floating`) the id alone is unique. Whether older records are such nobody knows.
    ALTER TABLE record RENAME TO record_before;
    DROP INDEX record_by_router;
    CREATE TABLE record (
        id INTEGER PRIMARY KEY,
        record_id BLOB NOT NULL,
        router_id INTEGER NOT NULL REFERENCES router (id),
        event_time INTEGER NOT NULL,
        received_at INTEGER NOT NULL,
        consent_seq INTEGER NOT NULL,
        policy_version TEXT NOT NULL,
        source_adapter TEXT NOT NULL,
        stripped TEXT,
        floating INTEGER CHECK (floating = 1),
        body TEXT NOT NULL
    );
    INSERT INTO record SELECT id, record_id, router_id, event_time, received_at, consent_seq, policy_version,
        source_adapter, stripped, 1, body FROM record_before ORDER BY id;
    DROP TABLE record_before;
    CREATE UNIQUE INDEX record_by_router ON record (router_id, event_time, record_id);
    CREATE UNIQUE INDEX record_floating ON record (record_id) WHERE floating = 1;
    """,
    """
    -- What is noted of the names that `lookup` has of a router, so that they need not be written with every report.
    ALTER TABLE router ADD COLUMN names BLOB;
    CREATE TRIGGER lookup_loses_names AFTER DELETE ON lookup
        BEGIN UPDATE router SET names = NULL WHERE id = OLD.router_id; END;
    """,
    """
    -- A collector learns which routers were closed last, not all that ever were.
    DROP INDEX router_closed;
    CREATE INDEX router_closed ON router (seq) WHERE state <> 'joined';
    """,
    """
    -- Which routers a version of the registry changed, so that not all of it is read after every change. A row without
    -- a router only says that what comes after it is complete.
    CREATE TABLE registry_change (number INTEGER PRIMARY KEY, version INTEGER NOT NULL, device_ref BLOB);
    CREATE INDEX registry_change_by_version ON registry_change (version);
    """,
    """
    -- What is forgotten is found by its age; the keys and versions that a store refers to, from one to the next.
    CREATE INDEX tombstone_by_age ON tombstone (erased_at);
    CREATE INDEX router_by_key ON router (key_id, state, policy_version);
    """,
)
