-- Who answers within a Story's first minutes, so that somebody does and two do not.
CREATE TABLE story_watch (
    brand  TEXT COLLATE "C" NOT NULL REFERENCES brand (id) ON DELETE CASCADE,
    story  TEXT COLLATE "C" NOT NULL,
    person TEXT COLLATE "C" NOT NULL,
    at_ms  BIGINT NOT NULL,
    PRIMARY KEY (brand, story)
);
