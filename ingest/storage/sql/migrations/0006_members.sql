-- A member of a group that stays away keeps its share of the messages at the broker, until its session there expires: seen in time,
-- somebody can bring it back or drain it.
ALTER TABLE metering.subscription
    ADD COLUMN seen_at           timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN session_expiry_s  bigint      NOT NULL DEFAULT 1209600;
