-- Times are epoch milliseconds. Derived ids are 16 bytes. JSON is kept as TEXT: it comes back byte for byte.
-- Tables and columns are those of the PostgreSQL text, except for the names of types.

CREATE TABLE brand (
    id         TEXT NOT NULL PRIMARY KEY,
    name       TEXT NOT NULL,
    time_zone  TEXT NOT NULL,
    settings   TEXT NOT NULL,
    created_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE account (
    id            TEXT NOT NULL PRIMARY KEY,
    brand         TEXT NOT NULL REFERENCES brand (id),
    channel       TEXT NOT NULL,
    login         TEXT NOT NULL CHECK (login IN ('instagram', 'facebook')),
    username      TEXT,
    token_sealed  BLOB,
    paused_reason TEXT,
    created_ms    INTEGER NOT NULL
) STRICT;
CREATE INDEX account_brand ON account (brand);

CREATE TABLE interaction (
    id          BLOB NOT NULL PRIMARY KEY,
    brand       TEXT NOT NULL,
    account     TEXT NOT NULL,
    viewer      TEXT,
    username    TEXT,
    channel     TEXT NOT NULL,
    source      TEXT NOT NULL,
    kind        TEXT NOT NULL,
    occurred_ms INTEGER NOT NULL,
    received_ms INTEGER NOT NULL,
    standby     INTEGER NOT NULL,
    body        TEXT NOT NULL,
    raw         TEXT
) STRICT;
CREATE INDEX interaction_viewer ON interaction (account, viewer, occurred_ms);
CREATE INDEX interaction_brand ON interaction (brand, occurred_ms);

-- state: the scorer's JSON, NULL between the row's first lock and its first fold (never seen outside a transaction).
-- segment: 0 hot, 1 warm, 2 cool, so that an index gives the triage order.
-- score_rank: log2 of the forward-decayed score; comparable whenever it was written.
CREATE TABLE viewer (
    account              TEXT NOT NULL,
    viewer               TEXT NOT NULL,
    brand                TEXT NOT NULL,
    username             TEXT,
    state                TEXT,
    segment              INTEGER NOT NULL CHECK (segment BETWEEN 0 AND 2),
    score_rank           REAL NOT NULL,
    last_contact_ms      INTEGER,
    first_seen_ms        INTEGER NOT NULL,
    last_seen_ms         INTEGER NOT NULL,
    needs_reply_since_ms INTEGER,
    rules_version        TEXT NOT NULL,
    PRIMARY KEY (account, viewer)
) STRICT;
CREATE INDEX viewer_triage ON viewer (brand, segment, score_rank DESC);

CREATE TABLE outbox (
    seq             INTEGER PRIMARY KEY AUTOINCREMENT,
    lane            TEXT NOT NULL,
    message_id      TEXT NOT NULL,
    key             TEXT NOT NULL,
    traceparent     TEXT,
    body            BLOB NOT NULL,
    leased_until_ms INTEGER NOT NULL,
    created_ms      INTEGER NOT NULL
) STRICT;
CREATE INDEX outbox_lease ON outbox (leased_until_ms);

-- The fence: every opt-out and hand-over raises epoch under this row's lock, and every send is reserved and started
-- under the same lock.
CREATE TABLE consent (
    account      TEXT NOT NULL,
    viewer       TEXT NOT NULL,
    brand        TEXT NOT NULL,
    clear_state  TEXT CHECK (clear_state IN ('opted_out', 'opted_in')),
    clear_ms     INTEGER,
    ambiguous_ms INTEGER,
    epoch        INTEGER NOT NULL DEFAULT 0,
    handed_over  INTEGER NOT NULL DEFAULT 0,
    updated_ms   INTEGER NOT NULL,
    PRIMARY KEY (account, viewer)
) STRICT;

CREATE TABLE consent_log (
    interaction BLOB NOT NULL PRIMARY KEY,
    account     TEXT NOT NULL,
    viewer      TEXT NOT NULL,
    brand       TEXT NOT NULL,
    state       TEXT NOT NULL,
    occurred_ms INTEGER NOT NULL,
    received_ms INTEGER NOT NULL,
    recorded_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE intent (
    id         BLOB NOT NULL PRIMARY KEY,
    brand      TEXT NOT NULL,
    account    TEXT NOT NULL,
    viewer     TEXT NOT NULL,
    play       TEXT NOT NULL,
    cause      BLOB NOT NULL,
    cause_kind TEXT NOT NULL,
    cause_ms   INTEGER NOT NULL,
    body       TEXT NOT NULL,
    status     TEXT NOT NULL CHECK (status IN ('pending', 'sending', 'sent', 'deferred', 'held', 'dropped')),
    due_ms     INTEGER,
    attempts   INTEGER NOT NULL DEFAULT 0,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX intent_due ON intent (status, due_ms);
CREATE INDEX intent_brand ON intent (brand, status);
CREATE INDEX intent_viewer ON intent (account, viewer, created_ms);

-- reason: the deciding one, which is the first of reasons.
CREATE TABLE decision (
    seq            INTEGER PRIMARY KEY AUTOINCREMENT,
    intent         BLOB NOT NULL REFERENCES intent (id),
    brand          TEXT NOT NULL,
    at_ms          INTEGER NOT NULL,
    verdict        TEXT NOT NULL CHECK (verdict IN ('send', 'defer', 'hold', 'drop')),
    reason         TEXT NOT NULL,
    until_ms       INTEGER,
    reasons        TEXT NOT NULL,
    facts          TEXT NOT NULL,
    policy_version TEXT NOT NULL
) STRICT;
CREATE INDEX decision_intent ON decision (intent, seq);
CREATE INDEX decision_brand ON decision (brand, seq);
CREATE INDEX decision_tally ON decision (brand, verdict, reason);

-- attempt: the intent's attempt that this reservation belongs to; an older holder can start nothing.
CREATE TABLE send (
    id              BLOB NOT NULL PRIMARY KEY,
    intent          BLOB NOT NULL UNIQUE REFERENCES intent (id),
    brand           TEXT NOT NULL,
    account         TEXT NOT NULL,
    viewer          TEXT NOT NULL,
    cause           BLOB NOT NULL,
    play            TEXT NOT NULL,
    text            TEXT NOT NULL,
    status          TEXT NOT NULL CHECK (status IN ('reserved', 'sending', 'sent', 'failed', 'unknown', 'cancelled')),
    epoch           INTEGER NOT NULL,
    attempt         INTEGER NOT NULL,
    lease_until_ms  INTEGER NOT NULL,
    reserved_ms     INTEGER NOT NULL,
    started_ms      INTEGER,
    finished_ms     INTEGER,
    confirmed_ms    INTEGER,
    meta_message_id TEXT,
    error_code      INTEGER,
    error_subcode   INTEGER,
    error           TEXT
) STRICT;
-- One answer per interaction.
CREATE UNIQUE INDEX send_one_answer ON send (account, cause)
    WHERE status IN ('reserved', 'sending', 'sent', 'unknown');
CREATE INDEX send_lease ON send (status, lease_until_ms) WHERE status IN ('reserved', 'sending', 'unknown');
CREATE INDEX send_viewer ON send (account, viewer);
CREATE INDEX send_message ON send (meta_message_id) WHERE meta_message_id IS NOT NULL;
CREATE INDEX send_brand ON send (brand, status);

CREATE TABLE quarantine (
    id          BLOB NOT NULL PRIMARY KEY,
    reason      TEXT NOT NULL,
    detail      TEXT NOT NULL,
    object      TEXT,
    account     TEXT,
    received_ms INTEGER NOT NULL,
    payload     BLOB NOT NULL,
    replayed_ms INTEGER
) STRICT;
CREATE INDEX quarantine_received ON quarantine (received_ms);

-- shard: writers spread over a few rows, so that they do not wait for each other's commit.
CREATE TABLE counter (
    name  TEXT NOT NULL,
    shard INTEGER NOT NULL,
    value INTEGER NOT NULL,
    PRIMARY KEY (name, shard)
) STRICT;
