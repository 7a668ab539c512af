-- A member of a group that stays away keeps its share of the messages at the broker, until its session there expires: seen in time,
-- somebody can bring it back or drain it.
ALTER TABLE metering.subscription
    ADD COLUMN seen_at           timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN session_expiry_s  bigint      NOT NULL DEFAULT 1209600;

CREATE VIEW meterwarden.member AS
SELECT client_identifier, filters, subscribed_at, seen_at, make_interval(secs => session_expiry_s) AS session_life
FROM metering.subscription;
COMMENT ON VIEW meterwarden.member IS 'Workers that hold a session at the broker, and when each was last seen connected.';
GRANT SELECT ON meterwarden.member TO meterwarden_reader, meterwarden_writer;
