-- The registry: what is installed where, versioned in valid time. Filled by `meterwarden registry import`.
-- Schema `metering` is internal; schema `meterwarden` holds the views that readers may rely on.

CREATE SCHEMA metering;
CREATE SCHEMA meterwarden;

CREATE TABLE metering.region (
    region    int  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code      text NOT NULL UNIQUE,
    name      text NOT NULL,
    timezone  text NOT NULL
);

CREATE TABLE metering.institution (
    institution   int  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code          text NOT NULL UNIQUE,
    name          text NOT NULL,
    region        int  NOT NULL REFERENCES metering.region,
    class         text,
    sub_class     text,
    climate_zone  text,
    heating_type  text
);

-- floor area, people, beds: what an indicator divides by
CREATE TABLE metering.denominator (
    institution  int     NOT NULL REFERENCES metering.institution,
    kind         text    NOT NULL,
    value        numeric NOT NULL CHECK (value > 0),
    valid_from   date    NOT NULL,
    valid_to     date    NOT NULL DEFAULT 'infinity',
    source       text    NOT NULL,
    PRIMARY KEY (institution, kind, valid_from)
);

CREATE TABLE metering.meter (
    meter   int  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    medium  text NOT NULL CHECK (medium IN ('electricity', 'water', 'charger')),
    code    text NOT NULL
);

-- one row a period in which nothing about the meter changed
CREATE TABLE metering.meter_version (
    meter            int         NOT NULL REFERENCES metering.meter,
    valid_from       timestamptz NOT NULL,
    valid_to         timestamptz NOT NULL DEFAULT 'infinity',
    institution      int         NOT NULL REFERENCES metering.institution,
    gateway          text,
    role             text        NOT NULL CHECK (role IN ('main', 'branch', 'sub', 'check')),
    parent           text,
    sub_item         text,
    ratio_milli      bigint      NOT NULL CHECK (ratio_milli > 0),  -- CT x PT in thousandths: exact, and products stay integers
    rated_capacity   numeric     NOT NULL CHECK (rated_capacity > 0),  -- kW or m3/h, primary side
    register_digits  smallint,                                      -- NULL: a fall is never a rollover
    quantum_milli    int         NOT NULL,                          -- smallest step the display shows, in thousandths
    interval_s       int         NOT NULL CHECK (interval_s > 0),   -- expected time between readings
    PRIMARY KEY (meter, valid_from),
    CHECK (valid_from < valid_to)
);
CREATE INDEX meter_version_institution ON metering.meter_version (institution);

-- one register of one meter; kind, unit and decimals never change (a change is a new channel)
CREATE TABLE metering.channel (
    channel   int      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    meter     int      NOT NULL REFERENCES metering.meter,
    register  text     NOT NULL,
    kind      text     NOT NULL CHECK (kind IN ('cumulative', 'interval', 'instantaneous')),
    unit      text     NOT NULL,
    decimals  smallint NOT NULL DEFAULT 3 CHECK (decimals BETWEEN 0 AND 3),
    UNIQUE (meter, register)
);

CREATE TABLE metering.charger (
    meter            int      PRIMARY KEY REFERENCES metering.meter,
    site             text     NOT NULL,
    supply           text     NOT NULL CHECK (supply IN ('dc', 'ac', 'combined')),
    rated_kw         numeric  NOT NULL CHECK (rated_kw > 0),
    connectors       smallint NOT NULL CHECK (connectors > 0),
    commissioned_on  date,
    access           text     NOT NULL CHECK (access IN ('own', 'public'))
);

-- a declared meter exchange: the old register's last value, the new one's first
CREATE TABLE metering.exchange (
    channel       int         NOT NULL REFERENCES metering.channel,
    exchanged_at  timestamptz NOT NULL,
    old_final     bigint      NOT NULL,
    new_initial   bigint      NOT NULL,
    author        text        NOT NULL,
    reason        text        NOT NULL,
    recorded_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (channel, exchanged_at)
);

CREATE TABLE metering.quota (
    quota         text    PRIMARY KEY,
    standard      text    NOT NULL,
    edition       text    NOT NULL,
    table_no      text    NOT NULL,
    jurisdiction  text    NOT NULL,
    class         text,
    sub_class     text,
    climate_zone  text,
    heating_type  text,
    indicator     text    NOT NULL,
    unit          text    NOT NULL,
    period_kind   text    NOT NULL CHECK (period_kind IN ('month', 'year')),
    guide_value       numeric,
    benchmark_value   numeric,
    constraint_value  numeric NOT NULL CHECK (constraint_value > 0),
    valid_from    date    NOT NULL,
    valid_to      date    NOT NULL DEFAULT 'infinity',
    source        text    NOT NULL CHECK (source <> ''),  -- a row without a source is never used
    confidence    text    NOT NULL,
    sample        boolean NOT NULL,
    CHECK (guide_value IS NULL OR guide_value <= constraint_value),
    CHECK (benchmark_value IS NULL OR benchmark_value <= constraint_value)
);

CREATE TABLE metering.factor (
    factor_set     text    NOT NULL,
    item           text    NOT NULL,
    unit           text    NOT NULL,
    kgce_per_unit  numeric NOT NULL CHECK (kgce_per_unit > 0),
    source         text    NOT NULL CHECK (source <> ''),
    confidence     text    NOT NULL,
    PRIMARY KEY (factor_set, item)
);

-- counts changes; workers compare it with the version they hold
CREATE TABLE metering.registry_version (
    only_row  boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    version   bigint  NOT NULL
);
INSERT INTO metering.registry_version (version) VALUES (0);
