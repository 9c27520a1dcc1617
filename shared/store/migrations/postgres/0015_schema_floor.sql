-- The oldest schema version whose program still works on this schema: a program that is older than the schema asks here whether
-- it may start. One row.
CREATE TABLE schema_floor (
    one     BIGINT PRIMARY KEY CHECK (one = 1),
    version BIGINT NOT NULL
);
INSERT INTO schema_floor (one, version) VALUES (1, 0);
