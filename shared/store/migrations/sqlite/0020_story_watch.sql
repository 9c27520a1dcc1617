-- Who answers within a Story's first minutes, so that somebody does and two do not.
CREATE TABLE story_watch (
    brand  TEXT NOT NULL REFERENCES brand (id) ON DELETE CASCADE,
    story  TEXT NOT NULL,
    person TEXT NOT NULL,
    at_ms  INTEGER NOT NULL,
    PRIMARY KEY (brand, story)
) STRICT;
