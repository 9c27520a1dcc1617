-- Work that one process does for all: whoever holds the lease, until it runs out.
CREATE TABLE lease (
    name     TEXT COLLATE "C" PRIMARY KEY,
    holder   TEXT NOT NULL,
    until_ms BIGINT NOT NULL
);

-- Calls that all processes make within one limit: when the next one may be made.
CREATE TABLE rate_slot (
    name    TEXT COLLATE "C" PRIMARY KEY,
    next_ms BIGINT NOT NULL
);

-- Observations are matched by name.
CREATE INDEX viewer_username ON viewer (account, username);
