-- People who work in the console, what they may do, and what they did.
CREATE TABLE person (
    id              TEXT NOT NULL PRIMARY KEY, -- an e-mail address, in lower case
    name            TEXT NOT NULL,
    password        TEXT,                      -- argon2id, in PHC form
    totp_sealed     BLOB,
    totp_last_step  INTEGER NOT NULL DEFAULT 0,
    disabled_ms     INTEGER,
    created_ms      INTEGER NOT NULL
) STRICT;

-- brand: '' stands for every brand.
CREATE TABLE person_role (
    person TEXT NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    brand  TEXT NOT NULL,
    role   TEXT NOT NULL CHECK (role IN ('analyst', 'agent', 'manager', 'owner')),
    PRIMARY KEY (person, brand)
) STRICT;

CREATE TABLE session (
    token_hash BLOB NOT NULL PRIMARY KEY,
    person     TEXT NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    csrf       TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    seen_ms    INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX session_expires ON session (expires_ms);

CREATE TABLE sign_in_link (
    token_hash BLOB NOT NULL PRIMARY KEY,
    person     TEXT NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    expires_ms INTEGER NOT NULL
) STRICT;

-- Failed attempts to sign in, by who was named: counted before a password is looked at.
CREATE TABLE sign_in_attempt (
    subject  TEXT NOT NULL PRIMARY KEY,
    failures INTEGER NOT NULL,
    since_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE audit (
    seq     INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    at_ms   INTEGER NOT NULL,
    person  TEXT NOT NULL,
    brand   TEXT NOT NULL, -- '' for what concerns no brand
    action  TEXT NOT NULL,
    account TEXT,
    viewer  TEXT,
    detail  TEXT NOT NULL
) STRICT;
CREATE INDEX audit_brand ON audit (brand, seq);
CREATE INDEX audit_viewer ON audit (account, viewer) WHERE viewer IS NOT NULL;

-- Who attends to a viewer now, so that two do not.
CREATE TABLE claim (
    account  TEXT NOT NULL,
    viewer   TEXT NOT NULL,
    brand    TEXT NOT NULL,
    person   TEXT NOT NULL,
    until_ms INTEGER NOT NULL,
    PRIMARY KEY (account, viewer)
) STRICT;

-- What people note about a viewer; rules do not read it.
CREATE TABLE viewer_label (
    account TEXT NOT NULL,
    viewer  TEXT NOT NULL,
    brand   TEXT NOT NULL,
    label   TEXT NOT NULL,
    person  TEXT NOT NULL,
    at_ms   INTEGER NOT NULL,
    PRIMARY KEY (account, viewer, label)
) STRICT;

-- One automated answer per interaction; a person may write more than once.
ALTER TABLE send ADD COLUMN by_person TEXT;
DROP INDEX send_one_answer;
CREATE UNIQUE INDEX send_one_answer ON send (account, cause)
    WHERE status IN ('reserved', 'sending', 'sent', 'unknown') AND by_person IS NULL;
