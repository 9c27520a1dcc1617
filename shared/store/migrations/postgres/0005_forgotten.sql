-- People who were forgotten, by a keyed hash that names nobody: what happened until then is not taken in again, wherever
-- it comes from, and who had said stop stays unwritten-to.
CREATE TABLE forgotten (
    hash      BYTEA PRIMARY KEY,
    at_ms     BIGINT NOT NULL,
    opted_out BOOLEAN NOT NULL
);

-- What is left of a request: that it was done, when, and how much it was.
CREATE TABLE forget_receipt (
    code    TEXT PRIMARY KEY,
    brand   TEXT NOT NULL,
    done_ms BIGINT NOT NULL,
    rows    BIGINT NOT NULL
);
