-- Channels set aside: what could not be settled waits here, apart from the marks.

-- name: set_aside
INSERT INTO metering.channel_aside AS there (channel, since, reason, first_hour, last_hour)
VALUES (%(channel)s, %(now)s, %(reason)s, %(first)s, %(last)s)
ON CONFLICT (channel) DO UPDATE
SET reason = excluded.reason, first_hour = least(there.first_hour, excluded.first_hour),
    last_hour = greatest(there.last_hour, excluded.last_hour)

-- name: add_to_aside
UPDATE metering.channel_aside AS there
SET first_hour = least(there.first_hour, marked.first), last_hour = greatest(there.last_hour, marked.last)
FROM unnest(%(channel)s::int[], %(first)s::int[], %(last)s::int[]) AS marked (channel, first, last)
WHERE there.channel = marked.channel AND (marked.first < there.first_hour OR marked.last > there.last_hour)

-- name: take_back_aside
-- A mark a channel, of its first and last hour: all between them is settled too.
WITH back AS (DELETE FROM metering.channel_aside RETURNING channel, first_hour, last_hour)
INSERT INTO metering.mark (channel, utc_hour) SELECT ARRAY[channel, channel], ARRAY[first_hour, last_hour] FROM back
RETURNING channel[1]
