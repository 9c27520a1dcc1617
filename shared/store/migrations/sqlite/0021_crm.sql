-- Connections to CRMs, by the names that brand documents give them. token: sealed. cursor: the last change of the feed that is
-- settled there. paused: why nothing is written until a person says otherwise.
CREATE TABLE crm_connection (
    brand         TEXT NOT NULL,
    name          TEXT NOT NULL,
    token         BLOB,
    cursor        BIGINT NOT NULL DEFAULT 0,
    not_before_ms BIGINT NOT NULL DEFAULT 0,
    paused        TEXT,
    PRIMARY KEY (brand, name)
);

-- What was last written of each viewer, as digests of its fields. A row outlives its person until the CRM was told that they
-- are forgotten.
CREATE TABLE crm_record (
    brand      TEXT NOT NULL,
    connection TEXT NOT NULL,
    account    TEXT NOT NULL,
    viewer     TEXT NOT NULL,
    written    TEXT NOT NULL,
    PRIMARY KEY (brand, connection, account, viewer)
);

-- What a CRM refused, and would again.
CREATE TABLE crm_refusal (
    brand      TEXT NOT NULL,
    connection TEXT NOT NULL,
    account    TEXT NOT NULL,
    viewer     TEXT NOT NULL,
    code       TEXT   NOT NULL,
    message    TEXT   NOT NULL,
    at_ms      BIGINT NOT NULL,
    PRIMARY KEY (brand, connection, account, viewer)
);
