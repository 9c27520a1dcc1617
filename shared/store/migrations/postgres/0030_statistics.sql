-- Nothing: PostgreSQL counts its tables itself.
SELECT 1;
