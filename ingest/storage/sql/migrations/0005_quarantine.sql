-- Operating the quarantine: what a message takes, which ones came since a scan, and purges that leave a record.

-- what a message takes on disk, about: itself, and 500 for the rest of its row and its place in six indexes
-- (measured: docs/quarantine.md)
ALTER TABLE metering.quarantine ADD COLUMN bytes int NOT NULL GENERATED ALWAYS AS (
    500 + octet_length(topic) + octet_length(payload) + octet_length(detail) + 64 * cardinality(wanted) + 4 * cardinality(failing)
) STORED;

-- the transaction that brought it: identity numbers are not committed in their order, but every transaction below a snapshot's xmin
-- has ended
ALTER TABLE metering.quarantine ADD COLUMN recorded_in xid8 NOT NULL DEFAULT '0';
ALTER TABLE metering.quarantine ALTER COLUMN recorded_in SET DEFAULT pg_current_xact_id();
CREATE INDEX quarantine_waiting ON metering.quarantine (recorded_in)
    WHERE resolved_at IS NULL AND reason IN ('unknown_meter', 'unknown_register');

-- the oldest first, and the sum of what they take, from the index alone
CREATE INDEX quarantine_open_age ON metering.quarantine (received_at, quarantine, bytes) WHERE resolved_at IS NULL;
CREATE INDEX quarantine_resolved_age ON metering.quarantine (received_at, quarantine, bytes) WHERE resolved_at IS NOT NULL;

-- who deleted what, when and why: written by the function below alone
CREATE TABLE metering.quarantine_purge (
    purge      bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    purged_at  timestamptz NOT NULL DEFAULT now(),
    role       text        NOT NULL,  -- the database's word for who it was; author is the person's own
    author     text        NOT NULL CHECK (author <> ''),
    because    text        NOT NULL CHECK (because <> ''),
    filter     text        NOT NULL,
    open       bigint      NOT NULL,  -- messages whose readings are stored nowhere
    resolved   bigint      NOT NULL,
    bytes      bigint      NOT NULL
);

-- The only way to delete a message: no role of the service may DELETE, so none can without leaving the record. Locks in order of
-- id. `state` is looked at again under the lock: what was replayed meanwhile is no longer open.
CREATE FUNCTION metering.purge_quarantine(ids bigint[], state text, author text, because text, filter text)
RETURNS TABLE (open bigint, resolved bigint, bytes bigint)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH locked AS MATERIALIZED (
        SELECT kept.quarantine FROM metering.quarantine AS kept
        WHERE kept.quarantine = ANY (ids) AND (state = 'all' OR (state = 'open') = (kept.resolved_at IS NULL))
        ORDER BY kept.quarantine
        FOR UPDATE
    ), gone AS (
        DELETE FROM metering.quarantine AS kept USING locked WHERE kept.quarantine = locked.quarantine
        RETURNING kept.resolved_at, kept.bytes
    )
    INSERT INTO metering.quarantine_purge (role, author, because, filter, open, resolved, bytes)
    SELECT session_user, author, because, filter, count(*) FILTER (WHERE gone.resolved_at IS NULL), count(gone.resolved_at),
           coalesce(sum(gone.bytes), 0)
    FROM gone HAVING count(*) > 0
    RETURNING quarantine_purge.open, quarantine_purge.resolved, quarantine_purge.bytes;
END;

REVOKE ALL ON FUNCTION metering.purge_quarantine FROM PUBLIC;
GRANT EXECUTE ON FUNCTION metering.purge_quarantine TO meterwarden_writer;
REVOKE DELETE ON metering.quarantine FROM meterwarden_writer;
GRANT SELECT ON metering.quarantine_purge TO meterwarden_writer;

-- a topic is foreign bytes: one that is no text must not make the view fail for every row
CREATE FUNCTION metering.readable(bytes bytea) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    RETURN convert_from(bytes, 'UTF8');
EXCEPTION WHEN character_not_in_repertoire OR untranslatable_character THEN
    RETURN encode(bytes, 'escape');
END
$$;

CREATE OR REPLACE VIEW meterwarden.quarantine AS
SELECT quarantine AS id, key, metering.readable(topic) COLLATE "C" AS topic, payload, qos, retain, received_at, stage, reason,
       detail, failing, wanted, resolved_at, resolution, octet_length(payload) AS payload_bytes, bytes
FROM metering.quarantine;

CREATE VIEW meterwarden.quarantine_purge AS
SELECT purge AS id, purged_at, role, author, because, filter, open, resolved, bytes FROM metering.quarantine_purge;
COMMENT ON VIEW meterwarden.quarantine_purge IS 'Every deletion from the quarantine; author "cap" is the service, at its limit.';
GRANT SELECT ON meterwarden.quarantine_purge TO meterwarden_reader, meterwarden_writer;
