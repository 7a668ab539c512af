-- Whose days changed in rounds that put verdicts off, since more marks waited: taken up by the round that gives them.

CREATE TABLE metering.affected_later (
    institution  int         NOT NULL,
    medium       text        NOT NULL,
    day          date        NOT NULL,
    since        timestamptz NOT NULL,  -- the settler's time of the round that changed it
    PRIMARY KEY (institution, medium, day)
);
GRANT SELECT, INSERT, DELETE ON metering.affected_later TO meterwarden_writer;
