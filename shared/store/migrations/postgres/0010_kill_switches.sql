-- What must not speak now, at once and until somebody says so. scope: all, brand, account, play or viewer.
CREATE TABLE kill_switch (
    scope    TEXT COLLATE "C" NOT NULL CHECK (scope IN ('all', 'brand', 'account', 'play', 'viewer')),
    id       TEXT COLLATE "C" NOT NULL,
    since_ms BIGINT NOT NULL,
    set_by   TEXT   NOT NULL,
    reason   TEXT   NOT NULL,
    PRIMARY KEY (scope, id)
);

-- How much an account said lately.
CREATE INDEX send_lately ON send (account, reserved_ms);
