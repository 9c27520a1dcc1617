-- People who work in the console, what they may do, and what they did.
CREATE TABLE person (
    id              TEXT COLLATE "C" NOT NULL PRIMARY KEY, -- an e-mail address, in lower case
    name            TEXT NOT NULL,
    password        TEXT,                      -- argon2id, in PHC form
    totp_sealed     BYTEA,
    totp_last_step  BIGINT NOT NULL DEFAULT 0,
    disabled_ms     BIGINT,
    created_ms      BIGINT NOT NULL
);

-- brand: '' stands for every brand.
CREATE TABLE person_role (
    person TEXT COLLATE "C" NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    brand  TEXT COLLATE "C" NOT NULL,
    role   TEXT NOT NULL CHECK (role IN ('analyst', 'agent', 'manager', 'owner')),
    PRIMARY KEY (person, brand)
);

CREATE TABLE session (
    token_hash BYTEA NOT NULL PRIMARY KEY,
    person     TEXT COLLATE "C" NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    csrf       TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    seen_ms    BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL
);
CREATE INDEX session_expires ON session (expires_ms);

CREATE TABLE sign_in_link (
    token_hash BYTEA NOT NULL PRIMARY KEY,
    person     TEXT COLLATE "C" NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    expires_ms BIGINT NOT NULL
);

-- Failed attempts to sign in, by who was named: counted before a password is looked at.
CREATE TABLE sign_in_attempt (
    subject  TEXT NOT NULL PRIMARY KEY,
    failures BIGINT NOT NULL,
    since_ms BIGINT NOT NULL
);

CREATE TABLE audit (
    seq     BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at_ms   BIGINT NOT NULL,
    person  TEXT COLLATE "C" NOT NULL,
    brand   TEXT COLLATE "C" NOT NULL, -- '' for what concerns no brand
    action  TEXT NOT NULL,
    account TEXT COLLATE "C",
    viewer  TEXT COLLATE "C",
    detail  TEXT NOT NULL
);
CREATE INDEX audit_brand ON audit (brand, seq);
CREATE INDEX audit_viewer ON audit (account, viewer) WHERE viewer IS NOT NULL;

-- Who attends to a viewer now, so that two do not.
CREATE TABLE claim (
    account  TEXT COLLATE "C" NOT NULL,
    viewer   TEXT COLLATE "C" NOT NULL,
    brand    TEXT COLLATE "C" NOT NULL,
    person   TEXT COLLATE "C" NOT NULL,
    until_ms BIGINT NOT NULL,
    PRIMARY KEY (account, viewer)
);

-- What people note about a viewer; rules do not read it.
CREATE TABLE viewer_label (
    account TEXT COLLATE "C" NOT NULL,
    viewer  TEXT COLLATE "C" NOT NULL,
    brand   TEXT COLLATE "C" NOT NULL,
    label   TEXT NOT NULL,
    person  TEXT COLLATE "C" NOT NULL,
    at_ms   BIGINT NOT NULL,
    PRIMARY KEY (account, viewer, label)
);

-- One automated answer per interaction; a person may write more than once.
ALTER TABLE send ADD COLUMN by_person TEXT;
DROP INDEX send_one_answer;
CREATE UNIQUE INDEX send_one_answer ON send (account, cause)
    WHERE status IN ('reserved', 'sending', 'sent', 'unknown') AND by_person IS NULL;
