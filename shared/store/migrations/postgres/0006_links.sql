-- Tracked links. The target is fixed when a link is made: nobody can make it point elsewhere.
CREATE TABLE link (
    code       TEXT COLLATE "C" PRIMARY KEY,
    brand      TEXT COLLATE "C" NOT NULL REFERENCES brand (id),
    account    TEXT COLLATE "C" NOT NULL REFERENCES account (id),
    target     TEXT NOT NULL,
    story_id   TEXT,
    play       TEXT,
    variant    TEXT,
    viewer     TEXT,
    created_ms BIGINT NOT NULL
);
CREATE INDEX link_brand ON link (brand, created_ms);
