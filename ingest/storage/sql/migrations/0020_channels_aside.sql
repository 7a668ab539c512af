-- Channels that could not be settled, and what is marked of them: set aside, so that they hold up nobody else's settlement.

CREATE TABLE metering.channel_aside (
    channel     int         PRIMARY KEY REFERENCES metering.channel,
    since       timestamptz NOT NULL,
    reason      text        NOT NULL,   -- the error's first line
    first_hour  int         NOT NULL,   -- hours since 1970-01-01T00:00Z, as in a mark
    last_hour   int         NOT NULL
);
GRANT SELECT, INSERT, UPDATE, DELETE ON metering.channel_aside TO meterwarden_writer;

CREATE VIEW meterwarden.channel_aside AS
SELECT institution.code AS institution, meter.medium, meter.code AS meter, channel.register, aside.since,
       'epoch'::timestamptz + aside.first_hour * interval '1 hour' AS unsettled_from, aside.reason
FROM metering.channel_aside AS aside
JOIN metering.channel USING (channel)
JOIN metering.meter USING (meter)
JOIN LATERAL (SELECT institution FROM metering.meter_version AS version WHERE version.meter = meter.meter
              ORDER BY valid_from DESC LIMIT 1) AS version ON true
JOIN metering.institution ON institution.institution = version.institution;
COMMENT ON VIEW meterwarden.channel_aside IS
    'Registers whose readings are stored and cannot be settled: what they used is not known since unsettled_from.';
COMMENT ON COLUMN meterwarden.channel_aside.since IS 'when it was set aside; it is tried again every hour and at every start';
COMMENT ON COLUMN meterwarden.channel_aside.unsettled_from IS 'the first hour whose consumption is not settled';
COMMENT ON COLUMN meterwarden.channel_aside.reason IS 'what went wrong; the log has all of it';
GRANT SELECT ON meterwarden.channel_aside TO meterwarden_reader, meterwarden_writer;
