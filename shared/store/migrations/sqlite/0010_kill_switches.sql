-- What must not speak now, at once and until somebody says so. scope: all, brand, account, play or viewer.
CREATE TABLE kill_switch (
    scope    TEXT NOT NULL CHECK (scope IN ('all', 'brand', 'account', 'play', 'viewer')),
    id       TEXT NOT NULL,
    since_ms INTEGER NOT NULL,
    set_by   TEXT NOT NULL,
    reason   TEXT NOT NULL,
    PRIMARY KEY (scope, id)
) STRICT;

-- How much an account said lately.
CREATE INDEX send_lately ON send (account, reserved_ms);
