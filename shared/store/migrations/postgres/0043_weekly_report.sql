-- Which weeks a brand's feed has told of: each once. until: the week's last day, YYYY-MM-DD; sequence: its number in the feed.
CREATE TABLE weekly_report (
    brand    TEXT COLLATE "C" NOT NULL,
    until    TEXT COLLATE "C" NOT NULL,
    sequence BIGINT NOT NULL,
    at_ms    BIGINT NOT NULL,
    PRIMARY KEY (brand, until)
);
