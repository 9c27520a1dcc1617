-- Tokens by which programs read a brand; the hash alone is kept.
CREATE TABLE api_token (
    hash       BLOB NOT NULL PRIMARY KEY,
    brand      TEXT NOT NULL,
    name       TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    UNIQUE (brand, name)
) STRICT;
