-- The key that seals the raw fragments of one viewer. Deleted with the viewer, it takes every copy of them along, in
-- backups too: keep backups of this table no longer than a forgotten person may be readable.
CREATE TABLE viewer_key (
    account TEXT COLLATE "C" NOT NULL,
    viewer  TEXT COLLATE "C" NOT NULL,
    key     BYTEA NOT NULL,
    PRIMARY KEY (account, viewer)
);

-- Up to where a brand's retention of a kind of data was carried out, so that it does not begin anew each time.
CREATE TABLE retention (
    brand    TEXT COLLATE "C" NOT NULL,
    kind     TEXT NOT NULL,
    until_ms BIGINT NOT NULL,
    PRIMARY KEY (brand, kind)
);
CREATE INDEX viewer_idle ON viewer (brand, last_seen_ms);
