-- What a brand believes and has not proved: status is open, testing or decided; experiment: by which it is tested; result: what came
-- of it, in words. pattern: what in the figures it came from, if from there; found again, it is the same hypothesis.
CREATE TABLE hypothesis (
    brand      TEXT NOT NULL,
    id         TEXT NOT NULL,
    text       TEXT NOT NULL,
    evidence   TEXT NOT NULL,
    pattern    TEXT,
    status     TEXT NOT NULL,
    experiment TEXT,
    result     TEXT,
    by_person  TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    changed_ms BIGINT NOT NULL,
    PRIMARY KEY (brand, id)
);

CREATE UNIQUE INDEX hypothesis_pattern ON hypothesis (brand, pattern);
