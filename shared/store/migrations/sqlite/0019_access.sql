-- The second factor of people who sign in, and who they are to an identity provider.

-- Somebody has shown the first factor, and is asked for the second.
CREATE TABLE second_step (
    token_hash BLOB NOT NULL PRIMARY KEY,
    person     TEXT NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    action     TEXT NOT NULL,                 -- how they came in, for the audit
    expires_ms INTEGER NOT NULL
) STRICT;

-- For who lost their second factor; each works once.
CREATE TABLE recovery_code (
    person TEXT NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    hash   BLOB NOT NULL,
    PRIMARY KEY (person, hash)
) STRICT;

-- Brands that nobody enters without a second factor.
CREATE TABLE second_factor_brand (
    brand    TEXT NOT NULL PRIMARY KEY REFERENCES brand (id) ON DELETE CASCADE,
    person   TEXT NOT NULL,       -- who asked for it
    since_ms INTEGER NOT NULL
) STRICT;

-- A sign-in at an identity provider that was begun, by one browser.
CREATE TABLE identity_attempt (
    state_hash   BLOB NOT NULL PRIMARY KEY,
    browser_hash BLOB NOT NULL,
    nonce        TEXT NOT NULL,
    verifier     TEXT NOT NULL,               -- of PKCE
    expires_ms   INTEGER NOT NULL
) STRICT;

-- Who is who: one subject of a provider is one person, and the other way round.
CREATE TABLE identity (
    issuer    TEXT NOT NULL,
    subject   TEXT NOT NULL,
    person    TEXT NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    linked_ms INTEGER NOT NULL,
    PRIMARY KEY (issuer, subject),
    UNIQUE (issuer, person)
) STRICT;
