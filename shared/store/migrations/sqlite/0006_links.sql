-- Tracked links. The target is fixed when a link is made: nobody can make it point elsewhere.
CREATE TABLE link (
    code       TEXT NOT NULL PRIMARY KEY,
    brand      TEXT NOT NULL REFERENCES brand (id),
    account    TEXT NOT NULL REFERENCES account (id),
    target     TEXT NOT NULL,
    story_id   TEXT,
    play       TEXT,
    variant    TEXT,
    viewer     TEXT,
    created_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX link_brand ON link (brand, created_ms);
