-- What each viewer adds to the figures, as it was counted last: JSON. What is counted anew replaces it, so that late, doubled and
-- reordered events correct the past.
CREATE TABLE kpi_viewer (
    brand   TEXT COLLATE "C" NOT NULL,
    account TEXT COLLATE "C" NOT NULL,
    viewer  TEXT COLLATE "C" NOT NULL,
    counts  TEXT   NOT NULL,
    PRIMARY KEY (account, viewer)
);

-- The sums. day: in the brand's time zone, YYYY-MM-DD. dim: all, account, play, snippet or operator; item: which of them.
CREATE TABLE kpi_day (
    brand   TEXT COLLATE "C" NOT NULL,
    day     TEXT COLLATE "C" NOT NULL,
    dim     TEXT COLLATE "C" NOT NULL,
    item    TEXT COLLATE "C" NOT NULL,
    measure TEXT COLLATE "C" NOT NULL,
    value   BIGINT NOT NULL,
    PRIMARY KEY (brand, dim, day, item, measure)
);

-- Up to which change of the feed a brand's figures are.
CREATE TABLE kpi_head (
    brand    TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    sequence BIGINT NOT NULL
);
