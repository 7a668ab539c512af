-- What intake writes: readings, conflicts, charger sessions, quarantine, marks.

CREATE TABLE metering.reading (
    read_at      timestamptz NOT NULL,
    value        bigint      NOT NULL,  -- in the channel's resolution: 10^-decimals of its unit
    received_at  timestamptz NOT NULL,
    channel      int         NOT NULL   -- no foreign key: the registry is checked in memory, and rows are never orphaned by it
);
-- no default time index: every insert would pay for it, and no query needs it
SELECT create_hypertable('metering.reading', by_range('read_at', INTERVAL '7 days'), create_default_indexes => false);
CREATE UNIQUE INDEX reading_key ON metering.reading (channel, read_at);

-- each distinct other value seen under a stored reading's key: the key is disputed until an edit decides
CREATE TABLE metering.conflict (
    channel      int         NOT NULL,
    read_at      timestamptz NOT NULL,
    value        bigint      NOT NULL,
    received_at  timestamptz NOT NULL,
    PRIMARY KEY (channel, read_at, value)
);

-- an operator's decision on one key; the highest version counts, NULL means "no value"
CREATE TABLE metering.edit (
    channel      int         NOT NULL,
    read_at      timestamptz NOT NULL,
    version      int         NOT NULL,
    value        bigint,
    author       text        NOT NULL,
    reason       text        NOT NULL,
    recorded_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (channel, read_at, version)
);

-- what chargers said of their sessions, each distinct statement once; sessions are derived from it
CREATE TABLE metering.session_statement (
    meter           int         NOT NULL,
    session         text        NOT NULL,
    connector       smallint    NOT NULL,
    started_at      timestamptz NOT NULL,
    start_register  bigint      NOT NULL,
    stopped_at      timestamptz,
    stop_register   bigint,
    session_energy  bigint,
    received_at     timestamptz NOT NULL,
    UNIQUE NULLS NOT DISTINCT
        (meter, session, connector, started_at, start_register, stopped_at, stop_register, session_energy)
);

-- rejected messages, whole. Bytes stay bytes and only the digest is indexed, so that no message can break its own quarantine
CREATE TABLE metering.quarantine (
    quarantine   bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key          bytea       NOT NULL UNIQUE,  -- sha256(topic, 0, payload): a redelivery adds nothing
    topic        bytea       NOT NULL,
    payload      bytea       NOT NULL,
    qos          smallint    NOT NULL,
    retain       boolean     NOT NULL,
    received_at  timestamptz NOT NULL,
    stage        text        NOT NULL,
    reason       text        NOT NULL,
    detail       text        NOT NULL,
    failing      int[]       NOT NULL,  -- positions of the bad readings in the message; empty: the message as a whole
    wanted       text[]      NOT NULL,  -- meters or registers that were unknown, as institution/medium/meter[/register]
    resolved_at  timestamptz,
    resolution   text
);
CREATE INDEX quarantine_open ON metering.quarantine (reason) WHERE resolved_at IS NULL;
CREATE INDEX quarantine_wanted ON metering.quarantine USING gin (wanted) WHERE resolved_at IS NULL;

-- which channel-hours changed since settlement last looked: one row an intake transaction, no unique key on purpose
CREATE TABLE metering.mark (
    mark      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    channel   int[]  NOT NULL,
    utc_hour  int[]  NOT NULL   -- hours since 1970-01-01T00:00Z, parallel to channel
);

-- MQTT has no list call: the filters each client identifier's session holds at the broker
CREATE TABLE metering.subscription (
    client_identifier  text        PRIMARY KEY,
    filters            text[]      NOT NULL,
    subscribed_at      timestamptz NOT NULL
);

-- raw readings before this instant may be gone: no period that starts before it is settled again
CREATE TABLE metering.retention (
    only_row        boolean     PRIMARY KEY DEFAULT true CHECK (only_row),
    raw_kept_since  timestamptz NOT NULL
);
INSERT INTO metering.retention (raw_kept_since) VALUES ('-infinity');
