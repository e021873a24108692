-- An entry of a grade tells its score, so that who reads the log need not look for submissions. Older entries, and
-- those that came from another database, do not: their submission does.
ALTER TABLE entries ADD COLUMN score DOUBLE PRECISION;
ALTER TABLE entries ADD COLUMN max DOUBLE PRECISION;
