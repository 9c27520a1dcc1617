-- When the hand-over that handed_over tells of happened: the latest one holds, in whatever order they come.
ALTER TABLE consent ADD COLUMN control_ms BIGINT;
