-- Who was taken in by an experiment, and what they did first afterwards. arm: its name, or holdout; shape: a digest of what must stay
-- as it is while viewers are taken in.
CREATE TABLE experiment_exposure (
    brand      TEXT COLLATE "C" NOT NULL,
    experiment TEXT COLLATE "C" NOT NULL,
    account    TEXT COLLATE "C" NOT NULL,
    viewer     TEXT COLLATE "C" NOT NULL,
    arm        TEXT COLLATE "C" NOT NULL,
    shape      TEXT COLLATE "C" NOT NULL,
    exposed_ms BIGINT NOT NULL,
    replied_ms BIGINT,
    clicked_ms BIGINT,
    bought_ms  BIGINT,
    stopped_ms BIGINT,
    PRIMARY KEY (brand, experiment, account, viewer)
);

CREATE INDEX experiment_exposure_viewer ON experiment_exposure (account, viewer);
