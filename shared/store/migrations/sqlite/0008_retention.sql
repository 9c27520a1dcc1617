-- The key that seals the raw fragments of one viewer. Deleted with the viewer, it takes every copy of them along, in
-- backups too: keep backups of this table no longer than a forgotten person may be readable.
CREATE TABLE viewer_key (
    account TEXT NOT NULL,
    viewer  TEXT NOT NULL,
    key     BLOB NOT NULL,
    PRIMARY KEY (account, viewer)
) STRICT;

-- Up to where a brand's retention of a kind of data was carried out, so that it does not begin anew each time.
CREATE TABLE retention (
    brand    TEXT NOT NULL,
    kind     TEXT NOT NULL,
    until_ms INTEGER NOT NULL,
    PRIMARY KEY (brand, kind)
) STRICT;
CREATE INDEX viewer_idle ON viewer (brand, last_seen_ms);
