-- What hosts read back and are told: rulings on grades, and the outbox of webhooks.

-- What teachers decided about grades, under numbers of the log's own sequence: submissions and
-- rulings together are every change of a grade, in the order of their commits. Only ever appended.
CREATE TABLE rulings (
  seq        INTEGER PRIMARY KEY,
  activity   INTEGER NOT NULL,
  user       INTEGER NOT NULL,
  kind       TEXT NOT NULL,            -- override, release, void, reset
  submission INTEGER,                  -- of a void
  score      REAL,                     -- of an override, as given
  max        REAL,                     -- what it is out of
  feedback   TEXT,
  scale      TEXT,                     -- the host's own word for the grade
  reason     TEXT,
  by         TEXT,                     -- who, by the host's own key
  at         INTEGER NOT NULL
) STRICT;

-- Submissions that do not count. The submissions themselves stay as they are.
CREATE TABLE voids (
  submission INTEGER PRIMARY KEY,
  ruling     INTEGER NOT NULL
) STRICT;

-- The override in force.
ALTER TABLE standings ADD COLUMN ruling INTEGER;
-- Whether the submission's comment was null, which clears what stands; absent leaves it.
ALTER TABLE submissions ADD COLUMN clears INTEGER NOT NULL DEFAULT 0;

-- A row for each webhook that was ever sent something, with how it fares.
CREATE TABLE webhooks (
  id            INTEGER PRIMARY KEY,
  host          TEXT NOT NULL,
  name          TEXT NOT NULL,
  failing_since INTEGER,               -- null: the last delivery succeeded
  delivered_at  INTEGER,
  failed_at     INTEGER,
  failure       TEXT,                  -- of the last attempt, in a word
  disabled_at   INTEGER,
  disabled_for  TEXT,
  UNIQUE (host, name)
) STRICT;

-- Events in the order of their commits, numbered within their webhook and activity. Kept for a while
-- after they were delivered, to be sent again when somebody asks.
CREATE TABLE outbox (
  webhook    INTEGER NOT NULL,
  activity   INTEGER NOT NULL,
  number     INTEGER NOT NULL,
  event      TEXT NOT NULL,
  user       INTEGER NOT NULL,
  submission INTEGER,                  -- that it is about
  key        BLOB,                     -- that it is about
  at         INTEGER NOT NULL,
  PRIMARY KEY (webhook, activity, number)
) STRICT, WITHOUT ROWID;

-- How far a webhook has come in an activity. Only the first event that is not delivered is ever
-- tried, so what is known of its attempts stands here.
CREATE TABLE lanes (
  webhook       INTEGER NOT NULL,
  activity      INTEGER NOT NULL,
  last          INTEGER NOT NULL,      -- number of the newest event
  sent          INTEGER NOT NULL,      -- number of the last that is done with
  attempts      INTEGER NOT NULL DEFAULT 0,
  failing_since INTEGER,               -- first failed attempt of the event now first
  due_at        INTEGER,               -- null: nothing to do
  PRIMARY KEY (webhook, activity)
) STRICT, WITHOUT ROWID;
CREATE INDEX lanes_due ON lanes (webhook, due_at) WHERE due_at IS NOT NULL;
