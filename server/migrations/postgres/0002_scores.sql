-- An entry of a grade tells its score, so that reading the log is reading one table. Older entries, and those that
-- came from another database, do not: their submission does.
ALTER TABLE entries ADD COLUMN score DOUBLE PRECISION;
ALTER TABLE entries ADD COLUMN max DOUBLE PRECISION;
