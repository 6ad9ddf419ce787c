-- +goose Up
-- How far each producer's feed was compared with the inbox, for each type of event that is handled: a version that handles more than
-- the one before begins with the first kept event of the new type, whatever replicas of that one go on to do. It takes the place of
-- inbox_cursors, which only the version before this one reads.
CREATE TABLE inbox_positions (
    source      text NOT NULL,
    type        text NOT NULL,
    pos         bigint,                   -- NULL: nothing was read yet, it begins with the first event the feed keeps
    event_id    text NOT NULL DEFAULT '', -- of the event at pos: tells whether the feed still has the same history
    owner       text NOT NULL DEFAULT '', -- the replica that follows the feed
    lease_until timestamptz NOT NULL DEFAULT '-infinity',
    read_at     timestamptz,              -- when the feed was last read to its end
    gone_at     timestamptz,              -- when events after gone_pos were missed for good; an operator clears it
    gone_pos    bigint,
    PRIMARY KEY (source, type)
);
