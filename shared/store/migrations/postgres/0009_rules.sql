-- Brand documents as they were applied. A document never changes: a roll-back applies an old one anew.
CREATE TABLE brand_document (
    brand      TEXT COLLATE "C" NOT NULL REFERENCES brand (id),
    version    BIGINT NOT NULL,
    text       TEXT   NOT NULL,
    applied_ms BIGINT NOT NULL,
    applied_by TEXT   NOT NULL,
    note       TEXT   NOT NULL,
    PRIMARY KEY (brand, version)
);
ALTER TABLE brand ADD COLUMN document_version BIGINT NOT NULL DEFAULT 0;

-- tags: JSON list of names. due_ms: until when an answer is due. triage_ms: by which those who wait are put in line.
-- review_ms: when time alone may change where the viewer stands.
ALTER TABLE viewer ADD COLUMN tags TEXT NOT NULL DEFAULT '[]';
ALTER TABLE viewer ADD COLUMN due_ms BIGINT;
ALTER TABLE viewer ADD COLUMN triage_ms BIGINT;
ALTER TABLE viewer ADD COLUMN review_ms BIGINT;
CREATE INDEX viewer_review ON viewer (review_ms) WHERE review_ms IS NOT NULL;
CREATE INDEX viewer_waiting ON viewer (brand, triage_ms) WHERE triage_ms IS NOT NULL;
