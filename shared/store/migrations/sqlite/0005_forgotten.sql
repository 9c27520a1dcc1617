-- People who were forgotten, by a keyed hash that names nobody: what happened until then is not taken in again, wherever
-- it comes from, and who had said stop stays unwritten-to.
CREATE TABLE forgotten (
    hash      BLOB NOT NULL PRIMARY KEY,
    at_ms     INTEGER NOT NULL,
    opted_out INTEGER NOT NULL
) STRICT;

-- What is left of a request: that it was done, when, and how much it was.
CREATE TABLE forget_receipt (
    code    TEXT NOT NULL PRIMARY KEY,
    brand   TEXT NOT NULL,
    done_ms INTEGER NOT NULL,
    rows    INTEGER NOT NULL
) STRICT;
