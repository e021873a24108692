-- Documents that an attempt keeps from one launch to the next.

-- A row stays when its document is deleted, so that its version never comes back.
CREATE TABLE states (
  activity INTEGER NOT NULL,
  user     INTEGER NOT NULL,
  attempt  INTEGER NOT NULL,
  name     TEXT NOT NULL,
  version  INTEGER NOT NULL,           -- one more with each write
  value    TEXT,                       -- JSON; null: deleted
  at       INTEGER NOT NULL,           -- of the last write
  PRIMARY KEY (activity, user, attempt, name)
) STRICT, WITHOUT ROWID;
-- For deleting what a person left.
CREATE INDEX states_user ON states (user);
