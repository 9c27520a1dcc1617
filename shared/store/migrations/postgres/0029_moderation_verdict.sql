-- Before every message it is asked whether anything of the viewer was hidden: with the verdict in the index, also of somebody who was looked
-- at a thousand times.
CREATE INDEX moderation_verdict ON moderation (account, viewer, verdict) WHERE cleared_ms IS NULL;
DROP INDEX moderation_viewer;
