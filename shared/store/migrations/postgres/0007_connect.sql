-- When the token was had from Meta, and when it dies; NULL where nobody knows, or never.
ALTER TABLE account ADD COLUMN token_obtained_ms BIGINT;
ALTER TABLE account ADD COLUMN token_expires_ms BIGINT;

-- Connections that were begun and not finished: by the hash of their state, so that the table gives nobody a state to use.
CREATE TABLE oauth_state (
    hash       BYTEA PRIMARY KEY,
    brand      TEXT COLLATE "C" NOT NULL REFERENCES brand (id),
    login      TEXT   NOT NULL CHECK (login IN ('instagram', 'facebook')),
    expires_ms BIGINT NOT NULL
);
