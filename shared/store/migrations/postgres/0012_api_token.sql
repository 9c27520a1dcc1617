-- Tokens by which programs read a brand; the hash alone is kept.
CREATE TABLE api_token (
    hash       BYTEA NOT NULL PRIMARY KEY,
    brand      TEXT COLLATE "C" NOT NULL,
    name       TEXT COLLATE "C" NOT NULL,
    created_ms BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    UNIQUE (brand, name)
);
