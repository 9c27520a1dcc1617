-- What a Story is for in its series, said by a person: teaser, value or cta.
CREATE TABLE story_label (
    brand     TEXT NOT NULL,
    story     TEXT NOT NULL,
    label     TEXT NOT NULL,
    by_person TEXT NOT NULL,
    at_ms     BIGINT NOT NULL,
    PRIMARY KEY (brand, story)
);
