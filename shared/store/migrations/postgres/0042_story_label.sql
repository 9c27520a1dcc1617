-- What a Story is for in its series, said by a person: teaser, value or cta.
CREATE TABLE story_label (
    brand     TEXT COLLATE "C" NOT NULL,
    story     TEXT COLLATE "C" NOT NULL,
    label     TEXT COLLATE "C" NOT NULL,
    by_person TEXT NOT NULL,
    at_ms     BIGINT NOT NULL,
    PRIMARY KEY (brand, story)
);
