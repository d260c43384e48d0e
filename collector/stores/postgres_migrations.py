"""The schema of a PostgreSQL store, as the steps that lead to it.

Rule 1: a migration, once released, never changes; a new one is added at the end.
"""

from typing import Final

from collector.stores.postgres_tables import TABLES

MIGRATIONS: Final = (
    TABLES,
    r"""
    -- One index finds the records of a router and keeps each unique, for an index by ids, which are hashes, has a page
    -- of its own to write for nearly every record. Of a record whose other deliveries may have another time
    -- (`Record.floating`) the id alone is unique. Whether older records are such nobody knows. No default stays: what
    -- does not know the column stores nothing. No table is written anew for it.
    ALTER TABLE ueip.record ADD COLUMN floating boolean NOT NULL DEFAULT true;
    ALTER TABLE ueip.record ALTER COLUMN floating DROP DEFAULT;
    DROP INDEX ueip.record_by_router;

    -- Both indexes are the month's own: one of the whole table would have to hold the month too, and so keep nothing
    -- unique.
    CREATE FUNCTION ueip.index_partition(name text) RETURNS void
        LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
        BEGIN
            EXECUTE format('CREATE UNIQUE INDEX %I ON ueip.%I (router_id, event_time, record_id)',
                name || '_once', name);
            EXECUTE format('CREATE UNIQUE INDEX %I ON ueip.%I (record_id) WHERE floating', name || '_floating', name);
        END $$;
    DO $$
        DECLARE
            name text;
        BEGIN
            FOR name IN SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                WHERE i.inhparent = 'ueip.record'::regclass ORDER BY c.relname
            LOOP
                EXECUTE format('DROP INDEX ueip.%I', name || '_once');
                PERFORM ueip.index_partition(name);
            END LOOP;
        END $$;
    INSERT INTO ueip.note SELECT 'floating', max(received_at) + 1 FROM ueip.record HAVING count(*) > 0;

    CREATE OR REPLACE FUNCTION ueip.make_partition(at bigint) RETURNS void
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        DECLARE
            first timestamptz := date_trunc('month', to_timestamp(at / 1000), 'UTC');
            next timestamptz := (first AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC';
            name text := 'record_' || to_char(first AT TIME ZONE 'UTC', 'YYYY_MM');
        BEGIN
            IF to_regclass('ueip.' || quote_ident(name)) IS NOT NULL THEN
                RETURN;
            END IF;
            EXECUTE format('CREATE TABLE ueip.%I (LIKE ueip.record INCLUDING ALL)', name);
            PERFORM ueip.index_partition(name);
            EXECUTE format('ALTER TABLE ueip.record ATTACH PARTITION ueip.%I FOR VALUES FROM (%s) TO (%s)', name,
                (extract(epoch FROM first) * 1000)::bigint, (extract(epoch FROM next) * 1000)::bigint);
        END $$;
    """,
    r"""
    -- Records are copied into their month until one of them is there already. The server tells its own log of such a
    -- refusal, and writes the record's id beside it unless rows of the month are secured. Whoever names `ueip.record`,
    -- as all do but the owner, sees what it did before.
    CREATE OR REPLACE FUNCTION ueip.index_partition(name text) RETURNS void
        LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
        BEGIN
            EXECUTE format('CREATE UNIQUE INDEX %I ON ueip.%I (router_id, event_time, record_id)',
                name || '_once', name);
            EXECUTE format('CREATE UNIQUE INDEX %I ON ueip.%I (record_id) WHERE floating', name || '_floating', name);
            EXECUTE format('ALTER TABLE ueip.%I ENABLE ROW LEVEL SECURITY', name);
        END $$;
    DO $$
        DECLARE
            name text;
        BEGIN
            FOR name IN SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                WHERE i.inhparent = 'ueip.record'::regclass ORDER BY c.relname
            LOOP
                EXECUTE format('ALTER TABLE ueip.%I ENABLE ROW LEVEL SECURITY', name);
            END LOOP;
        END $$;
    """,
    """
    -- A collector learns which routers were closed last, not all that ever were.
    DROP INDEX ueip.router_closed;
    CREATE INDEX router_closed ON ueip.router (seq) WHERE state <> 'joined';
    """,
    """
    -- Which routers a version of the registry changed, so that not all of it is read after every change. A row without
    -- a router only says that what comes after it is complete.
    CREATE TABLE ueip.registry_change (
        number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        version bigint NOT NULL,
        device_ref bytea
    );
    CREATE INDEX registry_change_by_version ON ueip.registry_change (version);
    """,
    r"""
    -- What is forgotten is found by its age; the keys and versions that a store refers to, from one to the next.
    CREATE INDEX tombstone_by_age ON ueip.tombstone (erased_at);
    CREATE INDEX router_by_key ON ueip.router (key_id, state, policy_version);
    CREATE INDEX router_held ON ueip.router (id) WHERE holds <> '';
    -- Nobody can commit between a drop and the end of its transaction: what is left of routers is deleted afterwards.
    CREATE OR REPLACE FUNCTION ueip.drop_partition(until bigint) RETURNS bigint
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '500ms' AS $$
        DECLARE month regclass; held boolean; gone bigint;
        BEGIN
            FOR month IN SELECT c.oid FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                WHERE i.inhparent = 'ueip.record'::regclass
                    AND substring(pg_get_expr(c.relpartbound, c.oid) FROM $re$TO \('?(\d+)$re$)::bigint <= until + 1
                ORDER BY c.relname LOOP
                EXECUTE format($sql$SELECT EXISTS (SELECT FROM %s r JOIN ueip.router w ON w.id = r.router_id
                    WHERE w.holds <> '')$sql$, month) INTO held;
                CONTINUE WHEN held;
                EXECUTE format('SELECT count(*) FROM %s', month) INTO gone;
                EXECUTE format('DROP TABLE %s', month);
                RETURN gone;
            END LOOP;
            RETURN NULL; END $$;
    """,
    r"""
    -- Nobody waits for as long as it takes to count a month of terabytes: of one with more than a GiB the statistics
    -- say how many records it has.
    CREATE OR REPLACE FUNCTION ueip.drop_partition(until bigint) RETURNS bigint
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '500ms' AS $$
        DECLARE month regclass; held boolean; gone bigint;
        BEGIN
            FOR month, gone IN SELECT c.oid, CASE WHEN c.relpages > 131072 THEN greatest(c.reltuples, 1)::bigint END
                FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                WHERE i.inhparent = 'ueip.record'::regclass
                    AND substring(pg_get_expr(c.relpartbound, c.oid) FROM $re$TO \('?(\d+)$re$)::bigint <= until + 1
                ORDER BY c.relname LOOP
                EXECUTE format($sql$SELECT EXISTS (SELECT FROM %s r JOIN ueip.router w ON w.id = r.router_id
                    WHERE w.holds <> '')$sql$, month) INTO held;
                CONTINUE WHEN held;
                IF gone IS NULL THEN
                    EXECUTE format('SELECT count(*) FROM %s', month) INTO gone;
                END IF;
                EXECUTE format('DROP TABLE %s', month);
                RETURN gone;
            END LOOP;
            RETURN NULL; END $$;
    """,
)
