-- What is given to an endpoint in one go is due at one moment: with the number in the index, the next few are found without sorting all of it.
CREATE INDEX feed_delivery_next ON feed_delivery (brand, endpoint, due_ms, sequence) WHERE dead IS NULL;
DROP INDEX feed_delivery_due;
