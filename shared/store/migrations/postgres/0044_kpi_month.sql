-- The same sums by month (YYYY-MM), written with the days': a year is read from twelve of them, not from 365.
CREATE TABLE kpi_month (
    brand   TEXT COLLATE "C" NOT NULL,
    month   TEXT COLLATE "C" NOT NULL,
    dim     TEXT COLLATE "C" NOT NULL,
    item    TEXT COLLATE "C" NOT NULL,
    measure TEXT COLLATE "C" NOT NULL,
    value   BIGINT NOT NULL,
    PRIMARY KEY (brand, dim, month, item, measure)
);

INSERT INTO kpi_month (brand, month, dim, item, measure, value)
SELECT brand, SUBSTR(day, 1, 7), dim, item, measure, SUM(value)
FROM kpi_day GROUP BY brand, SUBSTR(day, 1, 7), dim, item, measure;
