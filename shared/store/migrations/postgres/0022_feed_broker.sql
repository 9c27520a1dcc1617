-- How far each brand's changes were published to the broker.
CREATE TABLE feed_broker (
    brand  TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    cursor BIGINT NOT NULL
);
