-- Work that one process does for all: whoever holds the lease, until it runs out.
CREATE TABLE lease (
    name     TEXT NOT NULL PRIMARY KEY,
    holder   TEXT NOT NULL,
    until_ms INTEGER NOT NULL
) STRICT;

-- Calls that all processes make within one limit: when the next one may be made.
CREATE TABLE rate_slot (
    name    TEXT NOT NULL PRIMARY KEY,
    next_ms INTEGER NOT NULL
) STRICT;

-- Observations are matched by name.
CREATE INDEX viewer_username ON viewer (account, username);
