"""The tables that a PostgreSQL store begins with: the first step of its schema, released and never changed."""

from typing import Final

TABLES: Final = r"""
    -- What store this is. For the owner alone to change.
    CREATE TABLE ueip.about (region text NOT NULL, schema integer NOT NULL, one boolean PRIMARY KEY CHECK (one));
    CREATE TABLE ueip.note (name text PRIMARY KEY, value text NOT NULL);

    -- The ledger (D2). `entry` is the whole entry as JSON; the columns beside it are for finding it.
    CREATE TABLE ueip.ledger (
        seq bigint PRIMARY KEY,
        device_ref bytea NOT NULL,
        event_ref bytea,
        hash text NOT NULL,
        entry text NOT NULL
    );
    CREATE INDEX ledger_by_router ON ueip.ledger (device_ref, seq);
    CREATE UNIQUE INDEX ledger_by_event ON ueip.ledger (event_ref) WHERE event_ref IS NOT NULL;
    CREATE FUNCTION ueip.ledger_keeps() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
        BEGIN RAISE EXCEPTION 'the ledger is append-only' USING ERRCODE = 'integrity_constraint_violation'; END $$;
    CREATE FUNCTION ueip.ledger_grows() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
        BEGIN
            IF NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM ueip.ledger) THEN
                RAISE EXCEPTION 'the ledger is append-only' USING ERRCODE = 'integrity_constraint_violation';
            END IF;
            RETURN NEW;
        END $$;
    CREATE TRIGGER ledger_keeps_entries BEFORE UPDATE OR DELETE OR TRUNCATE ON ueip.ledger
        FOR EACH STATEMENT EXECUTE FUNCTION ueip.ledger_keeps();
    CREATE TRIGGER ledger_only_grows BEFORE INSERT ON ueip.ledger
        FOR EACH ROW EXECUTE FUNCTION ueip.ledger_grows();

    -- What the ledger says of each router now. The number stands for the pseudonym in `record`: rows stay small.
    CREATE TABLE ueip.router (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        device_ref bytea NOT NULL UNIQUE,
        key_id text NOT NULL,
        state text NOT NULL,
        seq bigint NOT NULL,
        consent_id text NOT NULL,
        generation bigint NOT NULL,
        effective_at bigint NOT NULL,
        policy_version text NOT NULL,
        storage_regions text NOT NULL,
        attested integer NOT NULL,
        holds text NOT NULL,
        beneath text,
        erased_until bigint NOT NULL,
        -- Whether records of it were erased, so that tombstones have to be asked about what comes.
        buried boolean NOT NULL DEFAULT false,
        -- A hash of the names in `lookup` that it was last given, so that they need not be given it with every report.
        names bytea
    );
    CREATE INDEX router_closed ON ueip.router (state) WHERE state <> 'joined';

    -- One partition a month of receipt. No foreign keys: each would be looked up row by row; `verify` looks instead.
    CREATE SEQUENCE ueip.record_numbers INCREMENT BY 131072;
    CREATE TABLE ueip.record (
        id bigint NOT NULL,
        record_id bytea NOT NULL,
        router_id bigint NOT NULL,
        event_time bigint NOT NULL,
        received_at bigint NOT NULL,
        consent_seq bigint NOT NULL,
        policy_version text NOT NULL,
        source_adapter text NOT NULL,
        stripped text,
        body text NOT NULL
    ) PARTITION BY RANGE (received_at);
    CREATE INDEX record_by_router ON ueip.record (router_id, event_time);
    CREATE INDEX record_by_number ON ueip.record (id);

    -- For the writer, who may not make tables. An index of its own keeps record ids unique within the month: one of
    -- the whole table would have to hold the month too, and so keep nothing unique. Attaching waits for no reader.
    CREATE FUNCTION ueip.make_partition(at bigint) RETURNS void
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
            EXECUTE format('CREATE UNIQUE INDEX %I ON ueip.%I (record_id)', name || '_once', name);
            EXECUTE format('ALTER TABLE ueip.record ATTACH PARTITION ueip.%I FOR VALUES FROM (%s) TO (%s)', name,
                (extract(epoch FROM first) * 1000)::bigint, (extract(epoch FROM next) * 1000)::bigint);
        END $$;

    -- Drops the oldest month, if all of it was received up to a time and nothing of it is under a legal hold (K36).
    -- How many records went with it; null if there is none to drop.
    CREATE FUNCTION ueip.drop_partition(until bigint) RETURNS bigint
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '500ms' AS $$
        DECLARE
            month regclass;
            held boolean;
            gone bigint;
        BEGIN
            FOR month IN SELECT c.oid FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                WHERE i.inhparent = 'ueip.record'::regclass
                    AND substring(pg_get_expr(c.relpartbound, c.oid) FROM $re$TO \('?(\d+)$re$)::bigint <= until + 1
                ORDER BY c.relname
            LOOP
                EXECUTE format($sql$SELECT EXISTS (SELECT FROM %s r JOIN ueip.router w ON w.id = r.router_id
                    WHERE w.holds <> '')$sql$, month) INTO held;
                CONTINUE WHEN held;
                EXECUTE format('SELECT count(*) FROM %s', month) INTO gone;
                EXECUTE format('DROP TABLE %s', month);
                IF gone > 0 THEN
                    DELETE FROM ueip.memory m
                        WHERE NOT EXISTS (SELECT FROM ueip.record r WHERE r.router_id = m.router_id);
                    WITH lost AS (
                        DELETE FROM ueip.lookup l USING ueip.router w WHERE w.id = l.router_id AND w.state <> 'joined'
                            AND NOT EXISTS (SELECT FROM ueip.record r WHERE r.router_id = l.router_id)
                        RETURNING l.router_id)
                    UPDATE ueip.router SET names = NULL WHERE id IN (SELECT router_id FROM lost);
                END IF;
                RETURN gone;
            END LOOP;
            RETURN NULL;
        END $$;

    -- Hashes of the ids of erased records, so that a message that comes again does not bring one back (K09).
    CREATE TABLE ueip.tombstone (record_id bytea PRIMARY KEY, erased_at bigint NOT NULL);

    -- The registry's index: pseudonyms of serial, IMEI and MAC, for looking forward only (F7).
    CREATE TABLE ueip.lookup (
        ref bytea NOT NULL,
        kind text NOT NULL,
        router_id bigint NOT NULL,
        PRIMARY KEY (ref, kind, router_id)
    );
    CREATE INDEX lookup_by_router ON ueip.lookup (router_id);

    -- What the next sample of a router is compared with; of formats that name states and counters, not events.
    CREATE TABLE ueip.memory (router_id bigint PRIMARY KEY, state bytea NOT NULL);

    -- The deployment's own list of routers and countries (D17). Not of their consent: an exit leaves it as it is.
    CREATE TABLE ueip.registry (
        device_ref bytea PRIMARY KEY,
        key_id text NOT NULL,
        country text NOT NULL,
        generation bigint NOT NULL
    );
    """
