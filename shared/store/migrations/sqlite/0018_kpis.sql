-- What each viewer adds to the figures, as it was counted last: JSON. What is counted anew replaces it, so that late, doubled and
-- reordered events correct the past.
CREATE TABLE kpi_viewer (
    brand   TEXT NOT NULL,
    account TEXT NOT NULL,
    viewer  TEXT NOT NULL,
    counts  TEXT   NOT NULL,
    PRIMARY KEY (account, viewer)
);

-- The sums. day: in the brand's time zone, YYYY-MM-DD. dim: all, account, play, snippet or operator; item: which of them.
CREATE TABLE kpi_day (
    brand   TEXT NOT NULL,
    day     TEXT NOT NULL,
    dim     TEXT NOT NULL,
    item    TEXT NOT NULL,
    measure TEXT NOT NULL,
    value   BIGINT NOT NULL,
    PRIMARY KEY (brand, dim, day, item, measure)
);

-- Up to which change of the feed a brand's figures are.
CREATE TABLE kpi_head (
    brand    TEXT NOT NULL PRIMARY KEY,
    sequence BIGINT NOT NULL
);
