-- Times are epoch milliseconds. Ids of brands, accounts and viewers compare byte by byte (COLLATE "C"), so that every
-- process locks rows in one order. JSON is kept as TEXT: it comes back byte for byte, and may hold \u0000.

CREATE TABLE brand (
    id         TEXT COLLATE "C" PRIMARY KEY,
    name       TEXT   NOT NULL,
    time_zone  TEXT   NOT NULL,
    settings   TEXT   NOT NULL,
    created_ms BIGINT NOT NULL
);

CREATE TABLE account (
    id            TEXT COLLATE "C" PRIMARY KEY,
    brand         TEXT COLLATE "C" NOT NULL REFERENCES brand (id),
    channel       TEXT   NOT NULL,
    login         TEXT   NOT NULL CHECK (login IN ('instagram', 'facebook')),
    username      TEXT,
    token_sealed  BYTEA,
    paused_reason TEXT,
    created_ms    BIGINT NOT NULL
);
CREATE INDEX account_brand ON account (brand);

CREATE TABLE interaction (
    id          UUID PRIMARY KEY,
    brand       TEXT COLLATE "C" NOT NULL,
    account     TEXT COLLATE "C" NOT NULL,
    viewer      TEXT COLLATE "C",
    username    TEXT,
    channel     TEXT    NOT NULL,
    source      TEXT    NOT NULL,
    kind        TEXT    NOT NULL,
    occurred_ms BIGINT  NOT NULL,
    received_ms BIGINT  NOT NULL,
    standby     BOOLEAN NOT NULL,
    body        TEXT    NOT NULL,
    raw         TEXT
);
CREATE INDEX interaction_viewer ON interaction (account, viewer, occurred_ms);
CREATE INDEX interaction_brand ON interaction (brand, occurred_ms);

-- state: the scorer's JSON, NULL between the row's first lock and its first fold (never seen outside a transaction).
-- segment: 0 hot, 1 warm, 2 cool, so that an index gives the triage order.
-- score_rank: log2 of the forward-decayed score; comparable whenever it was written.
CREATE TABLE viewer (
    account              TEXT COLLATE "C" NOT NULL,
    viewer               TEXT COLLATE "C" NOT NULL,
    brand                TEXT COLLATE "C" NOT NULL,
    username             TEXT,
    state                TEXT,
    segment              BIGINT           NOT NULL CHECK (segment BETWEEN 0 AND 2),
    score_rank           DOUBLE PRECISION NOT NULL,
    last_contact_ms      BIGINT,
    first_seen_ms        BIGINT           NOT NULL,
    last_seen_ms         BIGINT           NOT NULL,
    needs_reply_since_ms BIGINT,
    rules_version        TEXT             NOT NULL,
    PRIMARY KEY (account, viewer)
);
CREATE INDEX viewer_triage ON viewer (brand, segment, score_rank DESC);

CREATE TABLE outbox (
    seq             BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    lane            TEXT   NOT NULL,
    message_id      TEXT   NOT NULL,
    key             TEXT   NOT NULL,
    traceparent     TEXT,
    body            BYTEA  NOT NULL,
    leased_until_ms BIGINT NOT NULL,
    created_ms      BIGINT NOT NULL
);
CREATE INDEX outbox_lease ON outbox (leased_until_ms);

-- The fence: every opt-out and hand-over raises epoch under this row's lock, and every send is reserved and started
-- under the same lock.
CREATE TABLE consent (
    account      TEXT COLLATE "C" NOT NULL,
    viewer       TEXT COLLATE "C" NOT NULL,
    brand        TEXT COLLATE "C" NOT NULL,
    clear_state  TEXT CHECK (clear_state IN ('opted_out', 'opted_in')),
    clear_ms     BIGINT,
    ambiguous_ms BIGINT,
    epoch        BIGINT  NOT NULL DEFAULT 0,
    handed_over  BOOLEAN NOT NULL DEFAULT FALSE,
    updated_ms   BIGINT  NOT NULL,
    PRIMARY KEY (account, viewer)
);

CREATE TABLE consent_log (
    interaction UUID PRIMARY KEY,
    account     TEXT COLLATE "C" NOT NULL,
    viewer      TEXT COLLATE "C" NOT NULL,
    brand       TEXT COLLATE "C" NOT NULL,
    state       TEXT   NOT NULL,
    occurred_ms BIGINT NOT NULL,
    received_ms BIGINT NOT NULL,
    recorded_ms BIGINT NOT NULL
);

CREATE TABLE intent (
    id         UUID PRIMARY KEY,
    brand      TEXT COLLATE "C" NOT NULL,
    account    TEXT COLLATE "C" NOT NULL,
    viewer     TEXT COLLATE "C" NOT NULL,
    play       TEXT   NOT NULL,
    cause      UUID   NOT NULL,
    cause_kind TEXT   NOT NULL,
    cause_ms   BIGINT NOT NULL,
    body       TEXT   NOT NULL,
    status     TEXT   NOT NULL CHECK (status IN ('pending', 'sending', 'sent', 'deferred', 'held', 'dropped')),
    due_ms     BIGINT,
    attempts   BIGINT NOT NULL DEFAULT 0,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL
);
CREATE INDEX intent_due ON intent (status, due_ms);
CREATE INDEX intent_brand ON intent (brand, status);
CREATE INDEX intent_viewer ON intent (account, viewer, created_ms);

-- reason: the deciding one, which is the first of reasons.
CREATE TABLE decision (
    seq            BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    intent         UUID   NOT NULL REFERENCES intent (id),
    brand          TEXT COLLATE "C" NOT NULL,
    at_ms          BIGINT NOT NULL,
    verdict        TEXT   NOT NULL CHECK (verdict IN ('send', 'defer', 'hold', 'drop')),
    reason         TEXT   NOT NULL,
    until_ms       BIGINT,
    reasons        TEXT   NOT NULL,
    facts          TEXT   NOT NULL,
    policy_version TEXT   NOT NULL
);
CREATE INDEX decision_intent ON decision (intent, seq);
CREATE INDEX decision_brand ON decision (brand, seq);
CREATE INDEX decision_tally ON decision (brand, verdict, reason);

-- attempt: the intent's attempt that this reservation belongs to; an older holder can start nothing.
CREATE TABLE send (
    id              UUID PRIMARY KEY,
    intent          UUID   NOT NULL UNIQUE REFERENCES intent (id),
    brand           TEXT COLLATE "C" NOT NULL,
    account         TEXT COLLATE "C" NOT NULL,
    viewer          TEXT COLLATE "C" NOT NULL,
    cause           UUID   NOT NULL,
    play            TEXT   NOT NULL,
    text            TEXT   NOT NULL,
    status          TEXT   NOT NULL CHECK (status IN ('reserved', 'sending', 'sent', 'failed', 'unknown', 'cancelled')),
    epoch           BIGINT NOT NULL,
    attempt         BIGINT NOT NULL,
    lease_until_ms  BIGINT NOT NULL,
    reserved_ms     BIGINT NOT NULL,
    started_ms      BIGINT,
    finished_ms     BIGINT,
    confirmed_ms    BIGINT,
    meta_message_id TEXT,
    error_code      BIGINT,
    error_subcode   BIGINT,
    error           TEXT
);
-- One answer per interaction.
CREATE UNIQUE INDEX send_one_answer ON send (account, cause)
    WHERE status IN ('reserved', 'sending', 'sent', 'unknown');
CREATE INDEX send_lease ON send (status, lease_until_ms) WHERE status IN ('reserved', 'sending', 'unknown');
CREATE INDEX send_viewer ON send (account, viewer);
CREATE INDEX send_message ON send (meta_message_id) WHERE meta_message_id IS NOT NULL;
CREATE INDEX send_brand ON send (brand, status);

CREATE TABLE quarantine (
    id          UUID PRIMARY KEY,
    reason      TEXT   NOT NULL,
    detail      TEXT   NOT NULL,
    object      TEXT,
    account     TEXT COLLATE "C",
    received_ms BIGINT NOT NULL,
    payload     BYTEA  NOT NULL,
    replayed_ms BIGINT
);
CREATE INDEX quarantine_received ON quarantine (received_ms);

-- shard: writers spread over a few rows, so that they do not wait for each other's commit.
CREATE TABLE counter (
    name  TEXT   NOT NULL,
    shard BIGINT NOT NULL,
    value BIGINT NOT NULL,
    PRIMARY KEY (name, shard)
);
