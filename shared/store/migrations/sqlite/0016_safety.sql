-- What became of automated sends, by the day (UTC) on which they began. snippet: '' for words that no snippet made. The last days
-- are counted anew again and again, since a stop or an answer may come late; earlier ones stay.
CREATE TABLE safety_tally (
    brand    TEXT   NOT NULL,
    account  TEXT   NOT NULL,
    play     TEXT   NOT NULL,
    snippet  TEXT   NOT NULL,
    day_ms   BIGINT NOT NULL,
    sends    BIGINT NOT NULL,
    stops    BIGINT NOT NULL,
    blocks   BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    PRIMARY KEY (brand, account, play, snippet, day_ms)
);

-- What a person knew of when they let a silenced account or play go on: the counts begin anew behind it. Nothing has written to
-- the table of this name that was there before. scope 'snippet': id is play/snippet.
DROP TABLE safety_watch;
CREATE TABLE safety_watch (
    brand    TEXT   NOT NULL,
    scope    TEXT NOT NULL CHECK (scope IN ('account', 'play', 'snippet')),
    id       TEXT   NOT NULL,
    since_ms BIGINT NOT NULL,
    sends    BIGINT NOT NULL,
    stops    BIGINT NOT NULL,
    blocks   BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    PRIMARY KEY (brand, scope, id)
);

-- Sends of a brand since a moment.
DROP INDEX send_play;
CREATE INDEX send_started ON send (brand, started_ms);
