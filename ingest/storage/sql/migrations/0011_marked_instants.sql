-- Marks say from which instant to which a channel-hour has changed, so that what is newer than everything settled goes on from the
-- newest state, however many readings the day holds already.

-- both null: the whole of each hour
ALTER TABLE metering.mark
    ADD COLUMN from_us bigint[] CHECK (cardinality(from_us) = cardinality(channel)),
    ADD COLUMN until_us bigint[] CHECK (cardinality(until_us) = cardinality(channel));
