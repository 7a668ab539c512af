-- What the broker retains is taken back only where it was told from here: sought among all that was ever told.
CREATE INDEX notice_topic ON metering.notice (topic);
