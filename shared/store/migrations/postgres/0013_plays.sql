-- step: which of a sequence's messages this is. One automated answer per interaction and step; a person may write more than
-- once.
ALTER TABLE intent ADD COLUMN step BIGINT NOT NULL DEFAULT 0;
ALTER TABLE send ADD COLUMN step BIGINT NOT NULL DEFAULT 0;
-- quick_replies: JSON list of what could be tapped below the text; NULL if nothing could.
ALTER TABLE send ADD COLUMN quick_replies TEXT;
DROP INDEX send_one_answer;
CREATE UNIQUE INDEX send_one_answer ON send (account, cause, step)
    WHERE status IN ('reserved', 'sending', 'sent', 'unknown') AND by_person IS NULL;

-- Who leads a conversation, as three maxima, so that the order of arrival does not matter: when another app last had it, when a
-- person last spoke in it, and when it was last given back. handed_over is one of the first two being later than the third.
-- control_reason: why a person has it, where that is known.
ALTER TABLE consent ADD COLUMN app_ms BIGINT;
ALTER TABLE consent ADD COLUMN person_ms BIGINT;
ALTER TABLE consent ADD COLUMN released_ms BIGINT;
ALTER TABLE consent ADD COLUMN control_reason TEXT;
-- Of what was handed over before, nobody knows to whom: it stays so until it is given back.
UPDATE consent SET app_ms = control_ms WHERE handed_over;
UPDATE consent SET released_ms = control_ms WHERE NOT handed_over;

-- Spam and abuse. viewer: its writer, while the verdict is 'hide' and nobody has cleared it, gets no automated message.
-- findings: JSON, every reason. wanted: what is to be done at Meta; done: what was done last. due_ms: when it is to be done
-- next, NULL if nothing is. delete_ms: when what was hidden is to be deleted, if nobody shows it again.
CREATE TABLE moderation (
    interaction UUID NOT NULL PRIMARY KEY,
    brand       TEXT COLLATE "C" NOT NULL,
    account     TEXT COLLATE "C" NOT NULL,
    viewer      TEXT COLLATE "C" NOT NULL,
    comment_id  TEXT,
    at_ms       BIGINT NOT NULL,
    verdict     TEXT   NOT NULL CHECK (verdict IN ('review', 'hide')),
    findings    TEXT   NOT NULL,
    wanted      TEXT   NOT NULL CHECK (wanted IN ('none', 'hide', 'show', 'delete')),
    done        TEXT   NOT NULL DEFAULT 'none' CHECK (done IN ('none', 'hide', 'show', 'delete')),
    due_ms      BIGINT,
    delete_ms   BIGINT,
    attempts    BIGINT NOT NULL DEFAULT 0,
    error       TEXT,
    cleared_ms  BIGINT,
    cleared_by  TEXT
);
CREATE INDEX moderation_viewer ON moderation (account, viewer) WHERE cleared_ms IS NULL;
CREATE INDEX moderation_brand ON moderation (brand, at_ms);
CREATE INDEX moderation_due ON moderation (due_ms) WHERE due_ms IS NOT NULL;

-- Drafts of answers, one for each intent. outcome: 'to_read', 'passes' or 'failed'. detail: JSON of the reasons.
CREATE TABLE draft (
    intent     UUID NOT NULL PRIMARY KEY,
    brand      TEXT COLLATE "C" NOT NULL,
    account    TEXT COLLATE "C" NOT NULL,
    viewer     TEXT COLLATE "C" NOT NULL,
    outcome    TEXT   NOT NULL CHECK (outcome IN ('to_read', 'passes', 'failed')),
    text       TEXT   NOT NULL,
    confidence BIGINT NOT NULL,
    detail     TEXT   NOT NULL,
    created_ms BIGINT NOT NULL
);
CREATE INDEX draft_viewer ON draft (account, viewer);

-- What drafts took of a brand's day (in its own time zone), reserved before a model is asked.
CREATE TABLE draft_spent (
    brand  TEXT COLLATE "C" NOT NULL,
    day    TEXT   NOT NULL,
    tokens BIGINT NOT NULL,
    micros BIGINT NOT NULL,
    PRIMARY KEY (brand, day)
);

-- Since when sends are counted for a play's or an account's safety: from the first, or from when a person let it go on. id as in
-- kill_switch.
CREATE TABLE safety_watch (
    scope    TEXT COLLATE "C" NOT NULL CHECK (scope IN ('account', 'play')),
    id       TEXT COLLATE "C" NOT NULL,
    since_ms BIGINT NOT NULL,
    PRIMARY KEY (scope, id)
);
CREATE INDEX send_play ON send (brand, play, started_ms);
CREATE INDEX consent_log_viewer ON consent_log (account, viewer, occurred_ms);

-- Which snippet was said, and in which language.
ALTER TABLE send ADD COLUMN snippet TEXT;
ALTER TABLE send ADD COLUMN language TEXT;
