-- Times are milliseconds since the Unix epoch. Everything hangs on a host: users, courses and
-- activities are unique within theirs, and all else refers to one of these.

CREATE TABLE hosts (
  id   INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE users (
  id       INTEGER PRIMARY KEY,
  host     INTEGER NOT NULL REFERENCES hosts,
  key      TEXT NOT NULL,              -- the host's own primary key
  name     TEXT,
  username TEXT,
  email    TEXT,
  idnumber TEXT,
  UNIQUE (host, key)
) STRICT;

CREATE TABLE courses (
  id        INTEGER PRIMARY KEY,
  host      INTEGER NOT NULL REFERENCES hosts,
  key       TEXT NOT NULL,
  title     TEXT,
  shortname TEXT,
  idnumber  TEXT,
  url       TEXT,
  UNIQUE (host, key)
) STRICT;

CREATE TABLE activities (
  id       INTEGER PRIMARY KEY,
  host     INTEGER NOT NULL REFERENCES hosts,
  key      TEXT NOT NULL,
  course   INTEGER REFERENCES courses,
  title    TEXT,
  url      TEXT,
  max      REAL NOT NULL DEFAULT 100,
  method   TEXT NOT NULL DEFAULT 'highest',
  attempts INTEGER,                    -- null: no limit
  UNIQUE (host, key)
) STRICT;

-- What a key may do. Most keys of a host share one, so a key row holds a number only.
CREATE TABLE grants (
  id   INTEGER PRIMARY KEY,
  text TEXT NOT NULL UNIQUE            -- JSON
) STRICT;

CREATE TABLE keys (
  id          BLOB PRIMARY KEY,        -- 128 bits, the launch token's jti
  host        INTEGER NOT NULL REFERENCES hosts,
  user        INTEGER NOT NULL REFERENCES users,
  activity    INTEGER NOT NULL REFERENCES activities,
  "grant"     INTEGER NOT NULL REFERENCES grants,
  attempt     INTEGER NOT NULL,
  session     TEXT,                    -- the host's web session
  rotating    INTEGER NOT NULL,
  created_at  INTEGER NOT NULL,
  ends_at     INTEGER NOT NULL,
  hi          INTEGER NOT NULL DEFAULT 0,
  branch      BLOB NOT NULL,
  prev_branch BLOB,
  advanced_at INTEGER NOT NULL,
  revoked_at  INTEGER,
  revoked_for TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX keys_by_user ON keys (user, ends_at);
CREATE INDEX keys_by_session ON keys (host, session) WHERE session IS NOT NULL;

-- The log. Rows are only ever appended, and there is no index on it: each row points at the one
-- before it in its activity, and at the one before it by the same user there. Reading the newest n
-- entries is n steps along that chain, however long the log, and writing touches one page, however
-- many activities there are.
CREATE TABLE entries (
  seq          INTEGER PRIMARY KEY,
  activity     INTEGER NOT NULL,
  user         INTEGER NOT NULL,
  kind         INTEGER NOT NULL,       -- 0 log, 1 grade, 2 join
  attempt      INTEGER NOT NULL,
  previous     INTEGER NOT NULL,       -- 0: the first of its activity
  previous_own INTEGER NOT NULL,       -- 0: the first of its user there
  at           INTEGER NOT NULL,       -- the server's clock
  client_at    INTEGER,                -- the client's, corrected
  event        TEXT,
  data         TEXT
) STRICT;

-- Where the chains begin, as of entry `heads_upto`: what is newer is read from the log at start.
-- user 0: the whole activity's chain.
CREATE TABLE heads (
  activity INTEGER NOT NULL,
  user     INTEGER NOT NULL,
  seq      INTEGER NOT NULL,
  PRIMARY KEY (activity, user)
) STRICT, WITHOUT ROWID;

CREATE TABLE marks (
  name  TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO marks VALUES ('heads_upto', 0);

-- Every grade ever submitted, under the number of its entry in the log.
CREATE TABLE submissions (
  seq       INTEGER PRIMARY KEY,
  activity  INTEGER NOT NULL,
  user      INTEGER NOT NULL,
  attempt   INTEGER NOT NULL,
  previous  INTEGER NOT NULL,          -- 0: the first of its user there
  score     REAL NOT NULL,
  max       REAL NOT NULL,
  comment   TEXT,
  progress  TEXT,
  grading   TEXT NOT NULL,
  sequence  INTEGER NOT NULL,
  key       BLOB NOT NULL,
  at        INTEGER NOT NULL,
  client_at INTEGER
) STRICT;

-- What the submissions of one user in one activity come to, under every method at once, so that
-- a teacher may change the method. Scores are out of `max`.
CREATE TABLE standings (
  activity        INTEGER NOT NULL,
  user            INTEGER NOT NULL,
  max             REAL NOT NULL,
  count           INTEGER NOT NULL,
  sum             REAL NOT NULL,
  highest         REAL NOT NULL,
  first           REAL NOT NULL,
  first_sequence  INTEGER NOT NULL,
  latest          REAL NOT NULL,
  latest_sequence INTEGER NOT NULL,
  override        REAL,                -- a teacher's own, which no submission changes
  comment         TEXT,
  progress        TEXT,
  last            INTEGER NOT NULL,    -- newest submission
  updated_at      INTEGER NOT NULL,
  PRIMARY KEY (activity, user)
) STRICT, WITHOUT ROWID;

-- Saved results, so that a repeated operation is done once. The id stands first: clients make ids that
-- grow with time, so new rows lie side by side on few pages.
CREATE TABLE operations (
  id       TEXT NOT NULL,
  activity INTEGER NOT NULL,
  user     INTEGER NOT NULL,
  function TEXT NOT NULL,
  content  BLOB NOT NULL,              -- fingerprint of what was asked
  outcome  TEXT NOT NULL,              -- JSON
  at       INTEGER NOT NULL,
  PRIMARY KEY (id, activity, user, function)
) STRICT, WITHOUT ROWID;

CREATE TABLE ended_sessions (
  host    INTEGER NOT NULL,
  session TEXT NOT NULL,
  at      INTEGER NOT NULL,
  PRIMARY KEY (host, session)
) STRICT, WITHOUT ROWID;

-- Login sessions of a host that is built on this library.
CREATE TABLE web_sessions (
  id         TEXT PRIMARY KEY,
  record     TEXT NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
