-- Charging: sessions derived from what chargers said of them, the history of their states, and views for cities and utilities.

-- sessions of which something new was said: one row a statement or change, no unique key on purpose (like metering.mark)
CREATE TABLE metering.charging_due (
    due        bigint   GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    meter      int      NOT NULL,
    connector  smallint NOT NULL,
    session    text     NOT NULL
);
INSERT INTO metering.charging_due (meter, connector, session)
SELECT DISTINCT meter, connector, session FROM metering.session_statement;

-- derived: what the statements about a session come to. Energies are millionths of a kWh, registers thousandths as stated
CREATE TABLE metering.charging_session (
    meter           int         NOT NULL,
    connector       smallint    NOT NULL,
    session         text        NOT NULL,
    started_at      timestamptz NOT NULL,
    ends_at         timestamptz NOT NULL,  -- until when it may have held the connector; at most 72 hours after its start
    stopped_at      timestamptz,
    start_register  bigint      NOT NULL,
    stop_register   bigint,
    energy          bigint,                -- NULL: not known; of an open session what it stated so far
    state           text        NOT NULL CHECK (state IN ('open', 'closed', 'disputed')),
    quality         text        NOT NULL CHECK (quality IN ('measured', 'stated', 'none')),
    reason          text,                  -- the gravest finding
    billable        boolean     NOT NULL,
    statements      int         NOT NULL,
    PRIMARY KEY (meter, connector, session)
);
CREATE INDEX charging_session_start ON metering.charging_session (meter, started_at);

-- derived: the evidence. Connector 0 and an empty session: a finding about the charger's local day that begins at found_at
CREATE TABLE metering.charging_finding (
    meter      int         NOT NULL,
    connector  smallint    NOT NULL,
    session    text        NOT NULL,
    found_at   timestamptz NOT NULL,
    kind       text        NOT NULL,
    evidence   jsonb       NOT NULL,
    PRIMARY KEY (meter, connector, session, found_at, kind)
);

-- append-only: each distinct state a charger stated; at: since when, by its own clock
CREATE TABLE metering.charger_status (
    meter        int         NOT NULL,
    connector    smallint    NOT NULL,     -- 0: the charger as a whole
    at           timestamptz NOT NULL,
    status       text        NOT NULL,
    scheme       text        NOT NULL,     -- whose code it came in; native: our own words
    code         text        NOT NULL,     -- as it came
    received_at  timestamptz NOT NULL,
    PRIMARY KEY (meter, connector, at, scheme, code)
);

-- append-only: births and wills. Both carry the instant of their connection: the newest connection counts, and its will ends it
CREATE TABLE metering.gateway_status (
    institution   int         NOT NULL REFERENCES metering.institution,
    gateway       text        NOT NULL,
    connected_at  timestamptz NOT NULL,
    status        text        NOT NULL CHECK (status IN ('online', 'offline')),
    received_at   timestamptz NOT NULL,
    PRIMARY KEY (institution, gateway, connected_at, status)
);

-- where a charger stands now, by the newest version of its meter; one that chargers.csv does not name has no site
CREATE VIEW metering.charger_place AS
SELECT meter.meter, meter.code AS charger, channel.channel, version.institution, institution.code AS institution_code,
       region.timezone, version.gateway, charger.site, charger.supply, charger.access, charger.rated_kw, charger.connectors,
       charger.commissioned_on
FROM metering.meter
LEFT JOIN metering.charger USING (meter)
JOIN LATERAL (
    SELECT institution, gateway FROM metering.meter_version WHERE meter_version.meter = meter.meter
    ORDER BY valid_from DESC LIMIT 1
) AS version ON true
JOIN metering.institution ON institution.institution = version.institution
JOIN metering.region USING (region)
LEFT JOIN metering.channel ON channel.meter = meter.meter AND channel.register = 'energy_import_kwh'
WHERE meter.medium = 'charger';

CREATE VIEW metering.charging_site AS
SELECT institution, site, count(*) AS chargers, sum(connectors) AS connectors, sum(rated_kw) AS rated_kw
FROM metering.charger_place WHERE site IS NOT NULL GROUP BY institution, site;

CREATE VIEW meterwarden.charger_session AS
SELECT place.institution_code AS institution, place.charger, place.site, place.supply, place.access,
       session.connector, session.session, session.started_at, session.stopped_at,
       (session.start_register * 0.001)::numeric(20, 3) AS start_register_kwh,
       (session.stop_register * 0.001)::numeric(20, 3) AS stop_register_kwh,
       (session.energy * 0.000001)::numeric(20, 6) AS energy_kwh,
       session.state, session.quality, session.reason, session.billable, session.statements
FROM metering.charging_session AS session
JOIN metering.charger_place AS place USING (meter);
COMMENT ON VIEW meterwarden.charger_session IS
    'One row a charging session, derived from everything said of it. Bill only what is billable; reason names the gravest finding.';

CREATE VIEW meterwarden.charging_finding AS
SELECT place.institution_code AS institution, place.charger, place.site, nullif(finding.connector, 0) AS connector,
       nullif(finding.session, '') AS session, finding.found_at, finding.kind, finding.evidence
FROM metering.charging_finding AS finding
JOIN metering.charger_place AS place USING (meter);
COMMENT ON VIEW meterwarden.charging_finding IS
    'What a session or a charger''s local day suffers from, with the evidence: registers in thousandths, energies in millionths of a
kWh, instants in microseconds since 1970.';

CREATE VIEW meterwarden.gateway_status AS
SELECT DISTINCT ON (institution.code, status.gateway)
       institution.code AS institution, status.gateway, status.status, status.connected_at, status.received_at
FROM metering.gateway_status AS status
JOIN metering.institution USING (institution)
ORDER BY institution.code, status.gateway, status.connected_at DESC, status.status;
COMMENT ON VIEW meterwarden.gateway_status IS
    'The newest connection of each gateway; a will belongs to the connection whose connected_at it carries, and ends that one only.';

CREATE VIEW meterwarden.charger_status AS
SELECT place.institution_code AS institution, place.charger, place.site, number.connector, state.status, state.at AS since,
       state.scheme, state.code, state.received_at
FROM metering.charger_place AS place
CROSS JOIN LATERAL generate_series(0, coalesce(place.connectors, 1)) AS number (connector)
CROSS JOIN LATERAL (
    SELECT * FROM metering.charger_status AS status
    WHERE status.meter = place.meter AND status.connector = number.connector
    ORDER BY status.at DESC, status.received_at DESC, status.status LIMIT 1
) AS state;
COMMENT ON VIEW meterwarden.charger_status IS
    'The present state of every registered connector; connector 0 is the charger as a whole. unknown: a code no table holds.';

CREATE VIEW meterwarden.charger_status_change AS
SELECT institution, charger, site, connector, at, status, scheme, code, received_at
FROM (
    SELECT place.institution_code AS institution, place.charger, place.site, status.connector, status.at, status.status, status.scheme,
           status.code, status.received_at,
           lag(status.status) OVER (PARTITION BY status.meter, status.connector ORDER BY status.at, status.received_at, status.status)
               AS before
    FROM metering.charger_status AS status
    JOIN metering.charger_place AS place USING (meter)
) AS stated
WHERE before IS DISTINCT FROM status;
COMMENT ON VIEW meterwarden.charger_status_change IS 'The history of states: a row a change, as far as the messages were received.';

CREATE VIEW meterwarden.charging_site_hour AS
SELECT place.institution_code AS institution, place.site, consumption.hour,
       (sum(consumption.amount) * 0.000001)::numeric(20, 6) AS energy_kwh,
       (sum(consumption.amount) * 0.000001)::numeric(20, 6) AS average_kw,
       site.rated_kw, round(sum(consumption.amount) * 0.000001 / site.rated_kw, 6) AS load_share,
       least(round(sum(occupied.seconds) / (3600 * site.connectors), 6), 1) AS occupied_share,
       count(*) FILTER (WHERE consumption.measured_us + consumption.estimated_us > 0) AS chargers_reporting, site.chargers
FROM metering.charger_place AS place
JOIN metering.charging_site AS site USING (institution, site)
JOIN metering.consumption_hour AS consumption USING (channel)
CROSS JOIN LATERAL (
    SELECT coalesce(sum(greatest(extract(epoch FROM least(session.ends_at, consumption.hour + interval '1 hour', now())
                                                    - greatest(session.started_at, consumption.hour)), 0)), 0) AS seconds
    FROM metering.charging_session AS session
    WHERE session.meter = place.meter AND session.started_at < consumption.hour + interval '1 hour'
      AND session.started_at > consumption.hour - interval '72 hours' AND session.ends_at > consumption.hour
) AS occupied
GROUP BY place.institution_code, place.site, consumption.hour, site.rated_kw, site.connectors, site.chargers;
COMMENT ON VIEW meterwarden.charging_site_hour IS
    'A site''s load by local hour from the chargers'' own registers: energy, mean power, its share of the rated power, the share of
connector time that sessions held, and how many chargers have readings for the hour. Hours without any are absent.';

CREATE VIEW meterwarden.charging_site_day AS
SELECT place.institution_code AS institution, place.site, consumption.day,
       (sum(consumption.amount) * 0.000001)::numeric(20, 6) AS energy_kwh,
       coalesce((sum(consumption.amount) FILTER (WHERE place.access = 'own') * 0.000001), 0)::numeric(20, 6) AS own_kwh,
       coalesce((sum(consumption.amount) FILTER (WHERE place.access = 'public') * 0.000001), 0)::numeric(20, 6) AS public_kwh,
       round(sum(consumption.amount) * 0.0036 / metering.seconds_between(consumption.day, consumption.day + 1, place.timezone), 6)
           AS average_kw,
       site.rated_kw,
       round(sum(consumption.amount) * 0.0036 / metering.seconds_between(consumption.day, consumption.day + 1, place.timezone)
             / site.rated_kw, 6) AS load_share,
       least(round(sum(charged.held) / (site.connectors * metering.seconds_between(consumption.day, consumption.day + 1, place.timezone)),
                   6), 1) AS occupied_share,
       sum(charged.sessions) AS sessions, sum(charged.billable) AS billable_sessions,
       (sum(charged.energy) * 0.000001)::numeric(20, 6) AS billable_kwh,
       count(*) FILTER (WHERE consumption.measured_us + consumption.estimated_us > 0) AS chargers_reporting, site.chargers
FROM metering.charger_place AS place
JOIN metering.charging_site AS site USING (institution, site)
JOIN metering.consumption_day AS consumption USING (channel)
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE starts_here) AS sessions, count(*) FILTER (WHERE starts_here AND billable) AS billable,
           coalesce(sum(energy) FILTER (WHERE starts_here AND billable), 0) AS energy, coalesce(sum(greatest(seconds, 0)), 0) AS held
    FROM (
        SELECT session.billable, session.energy,
               session.started_at >= metering.local_midnight(consumption.day, place.timezone) AS starts_here,
               extract(epoch FROM
                   least(session.ends_at, metering.local_midnight(consumption.day + 1, place.timezone), now())
                   - greatest(session.started_at, metering.local_midnight(consumption.day, place.timezone))) AS seconds
        FROM metering.charging_session AS session
        WHERE session.meter = place.meter
          AND session.started_at < metering.local_midnight(consumption.day + 1, place.timezone)
          AND session.started_at > metering.local_midnight(consumption.day, place.timezone) - interval '72 hours'
          AND (session.ends_at > metering.local_midnight(consumption.day, place.timezone)
               OR session.started_at >= metering.local_midnight(consumption.day, place.timezone))
    ) AS session
) AS charged
GROUP BY place.institution_code, place.site, consumption.day, place.timezone, site.rated_kw, site.connectors, site.chargers;
COMMENT ON VIEW meterwarden.charging_site_day IS
    'A site by local day: energy of the registers, for own fleets and for the public; sessions by the day they started.';

CREATE VIEW meterwarden.charging_month AS
SELECT place.institution_code AS institution, consumption.month, place.access, place.supply, count(*) AS chargers,
       (sum(consumption.amount) * 0.000001)::numeric(20, 6) AS energy_kwh,
       sum(charged.sessions) AS sessions, sum(charged.billable) AS billable_sessions,
       (sum(charged.energy) * 0.000001)::numeric(20, 6) AS billable_kwh
FROM metering.charger_place AS place
JOIN metering.consumption_month AS consumption USING (channel)
CROSS JOIN LATERAL (
    SELECT count(*) AS sessions, count(*) FILTER (WHERE billable) AS billable,
           coalesce(sum(energy) FILTER (WHERE billable), 0) AS energy
    FROM metering.charging_session AS session
    WHERE session.meter = place.meter
      AND session.started_at >= metering.local_midnight(consumption.month, place.timezone)
      AND session.started_at < metering.local_midnight((consumption.month + interval '1 month')::date, place.timezone)
) AS charged
GROUP BY place.institution_code, consumption.month, place.access, place.supply;
COMMENT ON VIEW meterwarden.charging_month IS
    'Charging by local month, own fleet against public, DC against AC: what the registers say, and the sessions that may be billed.';

CREATE VIEW meterwarden.charger_count AS
SELECT place.institution_code AS institution, year.year::int AS year, place.supply, place.access, count(*) AS chargers,
       sum(place.connectors) AS connectors, sum(place.rated_kw) AS rated_kw
FROM metering.charger_place AS place
CROSS JOIN LATERAL generate_series(extract(year FROM place.commissioned_on)::int, extract(year FROM now())::int) AS year (year)
GROUP BY place.institution_code, year.year, place.supply, place.access
UNION ALL
SELECT place.institution_code, NULL, place.supply, place.access, count(*), sum(place.connectors), sum(place.rated_kw)
FROM metering.charger_place AS place
WHERE place.commissioned_on IS NULL AND place.site IS NOT NULL
GROUP BY place.institution_code, place.supply, place.access;
COMMENT ON VIEW meterwarden.charger_count IS
    'Chargers in service at the end of each year (of the running one: now), for the yearly statistics; year is empty where the registry
does not say when a charger was commissioned.';

GRANT SELECT, INSERT ON metering.charging_due, metering.charging_session, metering.charging_finding, metering.charger_status,
    metering.gateway_status TO meterwarden_writer;
GRANT DELETE ON metering.charging_due TO meterwarden_writer;
GRANT UPDATE, DELETE ON metering.charging_session, metering.charging_finding TO meterwarden_writer;
GRANT SELECT ON metering.charger_place, metering.charging_site TO meterwarden_writer;
GRANT SELECT ON meterwarden.charger_session, meterwarden.charging_finding, meterwarden.gateway_status, meterwarden.charger_status,
    meterwarden.charger_status_change, meterwarden.charging_site_hour, meterwarden.charging_site_day, meterwarden.charging_month,
    meterwarden.charger_count TO meterwarden_reader, meterwarden_writer;
