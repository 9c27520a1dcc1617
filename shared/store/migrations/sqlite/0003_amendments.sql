-- Meta's id of the message, for interactions that are one.
ALTER TABLE interaction ADD COLUMN mid TEXT;
CREATE INDEX interaction_mid ON interaction (account, mid) WHERE mid IS NOT NULL;

-- Edits, reactions and unsends, each with the message it is about. Neither applied nor expired: parked, until the message
-- comes or time runs out.
CREATE TABLE amendment (
    interaction BLOB NOT NULL PRIMARY KEY,
    account     TEXT NOT NULL,
    mid         TEXT NOT NULL,
    parked_ms   INTEGER NOT NULL,
    applied_ms  INTEGER,
    expired_ms  INTEGER
) STRICT;
CREATE INDEX amendment_mid ON amendment (account, mid);
CREATE INDEX amendment_parked ON amendment (parked_ms) WHERE applied_ms IS NULL AND expired_ms IS NULL;
