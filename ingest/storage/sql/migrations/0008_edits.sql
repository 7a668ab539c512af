-- What operators decide, and what their decisions and late readings change in days that were already closed.

-- An exchange is declared and withdrawn by versions, as a disputed reading is by edits: the highest counts, NULL means withdrawn.
ALTER TABLE metering.exchange
    ADD COLUMN version int NOT NULL DEFAULT 1,
    ALTER COLUMN old_final DROP NOT NULL,
    ALTER COLUMN new_initial DROP NOT NULL,
    ADD CHECK ((old_final IS NULL) = (new_initial IS NULL)),
    DROP CONSTRAINT exchange_pkey,
    ADD PRIMARY KEY (channel, exchanged_at, version);

-- Append-only: a closed local day whose row was written differently than it stood. The first time a row appears is no change; NULL as
-- the new amount: the row is gone. No key: two rounds may change a day in the same microsecond of a test's clock.
CREATE TABLE metering.day_change (
    channel           int         NOT NULL,
    day               date        NOT NULL,
    changed_at        timestamptz NOT NULL,
    old_amount        bigint      NOT NULL,
    new_amount        bigint,
    old_unallocated   bigint      NOT NULL,
    new_unallocated   bigint,
    old_measured_us   bigint      NOT NULL,
    new_measured_us   bigint,
    old_estimated_us  bigint      NOT NULL,
    new_estimated_us  bigint
);
CREATE INDEX day_change_day ON metering.day_change (channel, day, changed_at);

-- what a rebuild found written, until the round that derives the day again has compared the two
CREATE TABLE metering.forgotten_day (
    channel       int    NOT NULL,
    day           date   NOT NULL,
    amount        bigint NOT NULL,
    unallocated   bigint NOT NULL,
    measured_us   bigint NOT NULL,
    estimated_us  bigint NOT NULL,
    PRIMARY KEY (channel, day)
);

GRANT SELECT, INSERT ON metering.day_change, metering.forgotten_day TO meterwarden_writer;
GRANT UPDATE, DELETE ON metering.forgotten_day TO meterwarden_writer;

-- Since when the anchor's register has stood still: what it shows after that may have passed in all that time. States of before do not
-- know, so every channel is folded once more from its first reading; rows that come out the same stay untouched.
DELETE FROM metering.day_state;
ALTER TABLE metering.day_state ADD COLUMN still_us bigint NOT NULL;
INSERT INTO metering.mark (channel, utc_hour)
SELECT ARRAY[channel, channel],
       ARRAY[floor(extract(epoch FROM min(read_at)) / 3600), floor(extract(epoch FROM max(read_at)) / 3600)]::int[]
FROM metering.reading GROUP BY channel;

CREATE VIEW meterwarden.day_change AS
SELECT institution.code AS institution, meter.medium, meter.code AS meter, channel.register, change.day, change.changed_at,
       (change.old_amount * 0.000001)::numeric(20, 6) AS old_amount, (change.new_amount * 0.000001)::numeric(20, 6) AS new_amount,
       (change.old_unallocated * 0.000001)::numeric(20, 6) AS old_unallocated,
       (change.new_unallocated * 0.000001)::numeric(20, 6) AS new_unallocated, channel.unit,
       change.old_measured_us * 0.000001 AS old_measured_seconds, change.new_measured_us * 0.000001 AS new_measured_seconds,
       change.old_estimated_us * 0.000001 AS old_estimated_seconds, change.new_estimated_us * 0.000001 AS new_estimated_seconds
FROM metering.day_change AS change
JOIN metering.channel USING (channel)
JOIN metering.meter USING (meter)
JOIN metering.meter_version AS version ON version.meter = meter.meter
JOIN metering.institution ON institution.institution = version.institution
JOIN metering.region USING (region)
WHERE metering.local_midnight(change.day, region.timezone) >= version.valid_from
  AND metering.local_midnight(change.day, region.timezone) < version.valid_to;
COMMENT ON VIEW meterwarden.day_change IS 'Closed days that late readings, edits, exchanges or a rebuild changed; no new amount: the row is gone.';

CREATE VIEW meterwarden.edit AS
SELECT institution.code AS institution, meter.medium, meter.code AS meter, channel.register, edit.read_at, edit.version,
       (edit.value * 10::numeric ^ -channel.decimals)::numeric(20, 3) AS value, channel.unit, edit.author, edit.reason, edit.recorded_at
FROM metering.edit
JOIN metering.channel USING (channel)
JOIN metering.meter USING (meter)
JOIN metering.meter_version AS version
  ON version.meter = meter.meter AND edit.read_at >= version.valid_from AND edit.read_at < version.valid_to
JOIN metering.institution ON institution.institution = version.institution;
COMMENT ON VIEW meterwarden.edit IS 'Every decision on a reading; the highest version counts, no value: the reading does not count.';

CREATE VIEW meterwarden.exchange AS
SELECT institution.code AS institution, meter.medium, meter.code AS meter, channel.register, exchange.exchanged_at, exchange.version,
       (exchange.old_final * 10::numeric ^ -channel.decimals)::numeric(20, 3) AS old_final,
       (exchange.new_initial * 10::numeric ^ -channel.decimals)::numeric(20, 3) AS new_initial, channel.unit,
       exchange.author, exchange.reason, exchange.recorded_at
FROM metering.exchange
JOIN metering.channel USING (channel)
JOIN metering.meter USING (meter)
JOIN metering.meter_version AS version
  ON version.meter = meter.meter AND exchange.exchanged_at >= version.valid_from AND exchange.exchanged_at < version.valid_to
JOIN metering.institution ON institution.institution = version.institution;
COMMENT ON VIEW meterwarden.exchange IS 'Every declaration of an exchange; the highest version counts, no values: it was withdrawn.';

GRANT SELECT ON meterwarden.day_change, meterwarden.edit, meterwarden.exchange TO meterwarden_reader, meterwarden_writer;
