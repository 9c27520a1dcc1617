-- When the token was had from Meta, and when it dies; NULL where nobody knows, or never.
ALTER TABLE account ADD COLUMN token_obtained_ms INTEGER;
ALTER TABLE account ADD COLUMN token_expires_ms INTEGER;

-- Connections that were begun and not finished: by the hash of their state, so that the table gives nobody a state to use.
CREATE TABLE oauth_state (
    hash       BLOB NOT NULL PRIMARY KEY,
    brand      TEXT NOT NULL REFERENCES brand (id),
    login      TEXT   NOT NULL CHECK (login IN ('instagram', 'facebook')),
    expires_ms INTEGER NOT NULL
) STRICT;
