-- The feed of changes. A mark is written in the transaction that changes what is known of a viewer; one process at a time makes
-- changes of marks and numbers them, so that a reader who follows the numbers misses none and meets none twice.
CREATE TABLE feed_mark (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    brand     TEXT NOT NULL,
    account   TEXT NOT NULL,
    viewer    TEXT NOT NULL,
    forgotten BOOLEAN NOT NULL DEFAULT FALSE,
    at_ms     BIGINT  NOT NULL
);
CREATE INDEX feed_mark_brand ON feed_mark (brand, id);

-- floor: the last change that may have been removed for its age.
CREATE TABLE feed_head (
    brand    TEXT NOT NULL PRIMARY KEY,
    sequence BIGINT NOT NULL,
    floor    BIGINT NOT NULL DEFAULT 0
);

-- change: the id under which receivers know it. body: the CloudEvent, as every reader gets it.
CREATE TABLE feed_change (
    brand    TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    change   BLOB NOT NULL,
    account  TEXT NOT NULL,
    viewer   TEXT NOT NULL,
    at_ms    BIGINT NOT NULL,
    body     TEXT   NOT NULL,
    PRIMARY KEY (brand, sequence)
);
CREATE INDEX feed_change_age ON feed_change (at_ms);
CREATE INDEX feed_change_viewer ON feed_change (account, viewer);

-- Where a brand wants its changes. cursor: the last change that was given to it. secret, former: sealed.
CREATE TABLE feed_endpoint (
    brand           TEXT NOT NULL,
    id              TEXT NOT NULL,
    url             TEXT   NOT NULL,
    secret          BLOB NOT NULL,
    former          BLOB,
    former_until_ms BIGINT,
    per_minute      BIGINT NOT NULL,
    burst           BIGINT NOT NULL,
    concurrency     BIGINT NOT NULL,
    state           TEXT   NOT NULL CHECK (state IN ('on', 'paused', 'gone')),
    cursor          BIGINT NOT NULL,
    created_ms      BIGINT NOT NULL,
    PRIMARY KEY (brand, id)
);

-- What waits for an endpoint, and what was given up (dead: why).
CREATE TABLE feed_delivery (
    brand    TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    change   BLOB NOT NULL,
    account  TEXT NOT NULL,
    viewer   TEXT NOT NULL,
    attempts BIGINT NOT NULL DEFAULT 0,
    due_ms   BIGINT NOT NULL,
    claim    BIGINT NOT NULL DEFAULT 0,
    lease_ms BIGINT NOT NULL DEFAULT 0,
    dead     TEXT CHECK (dead IN ('exhausted', 'gone')),
    dead_ms  BIGINT,
    PRIMARY KEY (brand, endpoint, sequence)
);
CREATE INDEX feed_delivery_due ON feed_delivery (brand, endpoint, due_ms) WHERE dead IS NULL;
CREATE INDEX feed_delivery_viewer ON feed_delivery (brand, endpoint, account, viewer, sequence) WHERE dead IS NULL;

-- The log of attempts.
CREATE TABLE feed_attempt (
    seq      INTEGER PRIMARY KEY AUTOINCREMENT,
    brand    TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    change   BLOB NOT NULL,
    number   BIGINT NOT NULL,
    at_ms    BIGINT NOT NULL,
    took_ms  BIGINT NOT NULL,
    status   BIGINT,
    error    TEXT,
    excerpt  TEXT,
    outcome  TEXT   NOT NULL
);
CREATE INDEX feed_attempt_endpoint ON feed_attempt (brand, endpoint, seq);
CREATE INDEX feed_attempt_age ON feed_attempt (at_ms);
