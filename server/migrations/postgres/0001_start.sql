-- Times are milliseconds since the Unix epoch. Everything hangs on a host.
--
-- Numbers, all BIGINT (server/src/store/postgres/numbers.rs does the arithmetic):
--   host      small, in the order in which hosts were first seen
--   strand    host * 16 + n, n from 0 to 15: what is in one strand is in one shard of a distributed engine
--   user, course, activity, section, enrolment, webhook: host * 2^36 + count * 16 + n. The n of an
--             activity is its strand's, by a hash of its key; so its number tells host and strand
--   seq       of an entry, submission or ruling, unique in its host: (month * 2^32 + count) * 16 + n, in
--             the order of the commits within a strand
-- There are tables by strand, which the path of a call keeps to; tables by host; and small ones that
-- each shard may hold a copy of. There are no foreign keys: they would be looked up at each call, and
-- across shards. `user_id` and `grant_id` are so called because USER and GRANT are reserved. What is
-- listed in the order of its bytes is COLLATE "C", whatever the order of the database.

-- Small ones ------------------------------------------------------------------------------------------

CREATE TABLE hosts (
  id   BIGINT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
);

-- What a key may do, by the first 16 bytes of the SHA-256 of its text. Most keys of a host share one.
CREATE TABLE grants (
  id   BYTEA PRIMARY KEY,
  text TEXT NOT NULL                   -- JSON
);

-- Where a key is: asked once by each server that meets the key. By id, since a token tells no more.
CREATE TABLE key_places (
  id       BYTEA PRIMARY KEY,          -- 128 bits, the launch token's jti
  activity BIGINT NOT NULL,
  ends_at  BIGINT NOT NULL
);

-- Login sessions of a host that is built on this library.
CREATE TABLE web_sessions (
  id         TEXT PRIMARY KEY,
  expires_at BIGINT NOT NULL,
  record     TEXT NOT NULL
);
CREATE INDEX web_sessions_by_end ON web_sessions (expires_at);

-- By host ---------------------------------------------------------------------------------------------

-- How far the counts of users, courses and so on have come. Servers take them in blocks.
CREATE TABLE numbers (
  host BIGINT PRIMARY KEY,
  last BIGINT NOT NULL
);

-- `said` has a bit for each member that the directory has given, in the order of the columns in
-- `directory/`: launch claims no longer change it. A deleted row stays, since the log refers to it.
CREATE TABLE users (
  host       BIGINT NOT NULL,
  id         BIGINT NOT NULL,
  said       BIGINT NOT NULL DEFAULT 0,
  deleted_at BIGINT,
  key        TEXT COLLATE "C" NOT NULL, -- the host's own primary key
  name       TEXT,
  username   TEXT,
  email      TEXT,
  idnumber   TEXT,
  PRIMARY KEY (host, id),
  UNIQUE (host, key)
);
CREATE UNIQUE INDEX users_by_username ON users (host, username) WHERE username IS NOT NULL;
CREATE INDEX users_by_email ON users (host, email) WHERE email IS NOT NULL;
CREATE INDEX users_by_idnumber ON users (host, idnumber) WHERE idnumber IS NOT NULL;

CREATE TABLE courses (
  host       BIGINT NOT NULL,
  id         BIGINT NOT NULL,
  said       BIGINT NOT NULL DEFAULT 0,
  deleted_at BIGINT,
  key        TEXT COLLATE "C" NOT NULL,
  title      TEXT,
  shortname  TEXT,
  idnumber   TEXT,
  url        TEXT,
  PRIMARY KEY (host, id),
  UNIQUE (host, key)
);
CREATE INDEX courses_by_shortname ON courses (host, shortname) WHERE shortname IS NOT NULL;
CREATE INDEX courses_by_idnumber ON courses (host, idnumber) WHERE idnumber IS NOT NULL;

CREATE TABLE sections (
  host     BIGINT NOT NULL,
  id       BIGINT NOT NULL,
  course   BIGINT NOT NULL,
  position BIGINT NOT NULL,            -- from 0
  key      TEXT NOT NULL,              -- the host's own primary key, within the course
  name     TEXT,
  PRIMARY KEY (host, id),
  UNIQUE (host, course, key)
);

CREATE TABLE enrolments (
  host    BIGINT NOT NULL,
  id      BIGINT NOT NULL,
  user_id BIGINT NOT NULL,
  course  BIGINT NOT NULL,
  key     TEXT COLLATE "C" NOT NULL,
  role    TEXT,
  PRIMARY KEY (host, id),
  UNIQUE (host, key)
);
CREATE INDEX enrolments_by_user ON enrolments (host, user_id, course);
CREATE INDEX enrolments_by_course ON enrolments (host, course, key);

-- Signed requests that were accepted, until their time is past.
CREATE TABLE nonces (
  host  BIGINT NOT NULL,
  nonce TEXT NOT NULL,
  until BIGINT NOT NULL,
  PRIMARY KEY (host, nonce)
);
CREATE INDEX nonces_by_end ON nonces (until);

-- The host's web sessions that keys were launched in. A first use holds the row while it starts its key,
-- and a logout changes it before it looks for keys to end: so it finds them all.
CREATE TABLE host_sessions (
  host     BIGINT NOT NULL,
  session  TEXT NOT NULL,
  seen_at  BIGINT NOT NULL,            -- the last first use, or the end
  ended_at BIGINT,
  PRIMARY KEY (host, session)
);

-- A row for each webhook that was ever sent something, with how it fares.
CREATE TABLE webhooks (
  host          BIGINT NOT NULL,
  id            BIGINT NOT NULL,
  failing_since BIGINT,                -- null: the last delivery succeeded
  delivered_at  BIGINT,
  failed_at     BIGINT,
  disabled_at   BIGINT,
  name          TEXT NOT NULL,
  failure       TEXT,                  -- of the last attempt, in a word
  disabled_for  TEXT,
  PRIMARY KEY (host, id),
  UNIQUE (host, name)
);

-- By strand -------------------------------------------------------------------------------------------

-- The last count given in a strand. Whoever takes numbers holds the row until the commit; so what is done
-- in a strand is done one after the other, and a reader that has seen a number has seen all below.
CREATE TABLE counters (
  strand BIGINT PRIMARY KEY,
  last   BIGINT NOT NULL
);

CREATE TABLE activities (
  strand     BIGINT NOT NULL,
  id         BIGINT NOT NULL,
  course     BIGINT,
  section    BIGINT,
  max        DOUBLE PRECISION NOT NULL DEFAULT 100,
  attempts   BIGINT,                   -- null: no limit
  said       BIGINT NOT NULL DEFAULT 0,
  deleted_at BIGINT,
  hidden     BOOLEAN NOT NULL DEFAULT FALSE,
  key        TEXT COLLATE "C" NOT NULL,
  title      TEXT,
  url        TEXT,
  method     TEXT NOT NULL DEFAULT 'highest',
  PRIMARY KEY (strand, id),
  UNIQUE (strand, key)
);
CREATE INDEX activities_by_course ON activities (course, key) WHERE course IS NOT NULL;

CREATE TABLE keys (
  strand      BIGINT NOT NULL,
  activity    BIGINT NOT NULL,
  user_id     BIGINT NOT NULL,
  attempt     BIGINT NOT NULL,
  created_at  BIGINT NOT NULL,
  ends_at     BIGINT NOT NULL,
  advanced_at BIGINT NOT NULL,
  revoked_at  BIGINT,
  hi          BIGINT NOT NULL,
  branch      BIGINT NOT NULL,         -- its eight bytes, the first the highest
  prev_branch BIGINT,
  rotating    BOOLEAN NOT NULL,
  id          BYTEA NOT NULL,
  grant_id    BYTEA NOT NULL,
  session     TEXT,                    -- the host's web session
  revoked_for TEXT,
  PRIMARY KEY (strand, id)
);
CREATE INDEX keys_by_user ON keys (user_id, ends_at);
CREATE INDEX keys_by_session ON keys (session, strand) WHERE session IS NOT NULL;
CREATE INDEX keys_by_activity ON keys (activity, ends_at);

-- The log. Rows are only ever appended. The number begins with the month, so each month is a partition,
-- which is made ahead and may be dropped whole; the one without a month takes what no other does.
CREATE TABLE entries (
  strand    BIGINT NOT NULL,
  seq       BIGINT NOT NULL,
  activity  BIGINT NOT NULL,
  user_id   BIGINT NOT NULL,
  attempt   BIGINT NOT NULL,
  at        BIGINT NOT NULL,           -- the server's clock
  client_at BIGINT,                    -- the client's, corrected
  kind      SMALLINT NOT NULL,         -- 0 log, 1 grade, 2 join
  event     TEXT,
  data      TEXT,
  PRIMARY KEY (strand, seq)
) PARTITION BY RANGE (seq);
CREATE TABLE entries_other PARTITION OF entries DEFAULT;
CREATE INDEX entries_by_activity ON entries (activity, seq);
CREATE INDEX entries_by_user ON entries (activity, user_id, seq);

-- Who has joined what: the first launch of a user in an activity writes a line of the log, and no other.
CREATE TABLE joins (
  strand   BIGINT NOT NULL,
  activity BIGINT NOT NULL,
  user_id  BIGINT NOT NULL,
  PRIMARY KEY (strand, activity, user_id)
);

-- Every grade ever submitted, under the number of its entry in the log.
CREATE TABLE submissions (
  strand    BIGINT NOT NULL,
  seq       BIGINT NOT NULL,
  activity  BIGINT NOT NULL,
  user_id   BIGINT NOT NULL,
  attempt   BIGINT NOT NULL,
  score     DOUBLE PRECISION NOT NULL,
  max       DOUBLE PRECISION NOT NULL,
  sequence  BIGINT NOT NULL,
  at        BIGINT NOT NULL,
  client_at BIGINT,
  clears    BOOLEAN NOT NULL,          -- the comment was null, which clears what stands; absent leaves it
  key       BYTEA NOT NULL,
  grading   TEXT NOT NULL,
  progress  TEXT,
  comment   TEXT,
  PRIMARY KEY (strand, seq)
);
CREATE INDEX submissions_by_user ON submissions (activity, user_id, seq);

-- What the submissions of one user in one activity come to, under every method at once, so that
-- a teacher may change the method. Scores are out of `max`.
CREATE TABLE standings (
  strand          BIGINT NOT NULL,
  activity        BIGINT NOT NULL,
  user_id         BIGINT NOT NULL,
  max             DOUBLE PRECISION NOT NULL,
  count           BIGINT NOT NULL,
  sum             DOUBLE PRECISION NOT NULL,
  highest         DOUBLE PRECISION NOT NULL,
  first           DOUBLE PRECISION NOT NULL,
  first_sequence  BIGINT NOT NULL,
  latest          DOUBLE PRECISION NOT NULL,
  latest_sequence BIGINT NOT NULL,
  override        DOUBLE PRECISION,    -- a teacher's own, which no submission changes
  ruling          BIGINT,              -- the override in force
  last            BIGINT NOT NULL,     -- newest submission; 0: none
  updated_at      BIGINT NOT NULL,
  progress        TEXT,
  comment         TEXT,
  PRIMARY KEY (strand, activity, user_id)
);

-- What teachers decided about grades: submissions and rulings together are every change of a grade. Only
-- ever appended.
CREATE TABLE rulings (
  strand     BIGINT NOT NULL,
  seq        BIGINT NOT NULL,
  activity   BIGINT NOT NULL,
  user_id    BIGINT NOT NULL,
  submission BIGINT,                   -- of a void
  score      DOUBLE PRECISION,         -- of an override, as given
  max        DOUBLE PRECISION,         -- what it is out of
  at         BIGINT NOT NULL,
  kind       TEXT NOT NULL,            -- override, release, void, reset
  feedback   TEXT,
  scale      TEXT,                     -- the host's own word for the grade
  reason     TEXT,
  by         TEXT,                     -- who, by the host's own key
  PRIMARY KEY (strand, seq)
);

-- Submissions that do not count. The submissions themselves stay as they are.
CREATE TABLE voids (
  strand     BIGINT NOT NULL,
  submission BIGINT NOT NULL,
  ruling     BIGINT NOT NULL,
  PRIMARY KEY (strand, submission)
);

-- Submissions up to this number no longer count. user_id 0: of everybody.
CREATE TABLE resets (
  strand   BIGINT NOT NULL,
  activity BIGINT NOT NULL,
  user_id  BIGINT NOT NULL,
  upto     BIGINT NOT NULL,
  at       BIGINT NOT NULL,
  PRIMARY KEY (strand, activity, user_id)
);

-- Saved results, so that a repeated operation is done once. The id stands before the activity: clients
-- make ids that grow with time, so new rows lie side by side.
CREATE TABLE operations (
  strand   BIGINT NOT NULL,
  activity BIGINT NOT NULL,
  user_id  BIGINT NOT NULL,
  at       BIGINT NOT NULL,
  id       TEXT NOT NULL,
  function TEXT NOT NULL,
  content  BYTEA NOT NULL,             -- fingerprint of what was asked
  outcome  TEXT NOT NULL,              -- JSON
  PRIMARY KEY (strand, id, activity, user_id, function)
);

-- Documents that an attempt keeps from one launch to the next. A row stays when its document is deleted, so that
-- its version never comes back.
CREATE TABLE states (
  strand   BIGINT NOT NULL,
  activity BIGINT NOT NULL,
  user_id  BIGINT NOT NULL,
  attempt  BIGINT NOT NULL,
  version  BIGINT NOT NULL,            -- one more with each write
  at       BIGINT NOT NULL,            -- of the last write
  name     TEXT NOT NULL,
  value    TEXT,                       -- JSON; null: deleted
  PRIMARY KEY (strand, activity, user_id, attempt, name)
);
-- For deleting what a person left.
CREATE INDEX states_by_user ON states (user_id);

-- Events in the order of their commits, numbered within their webhook and activity. Kept for a while
-- after they were delivered, to be sent again when somebody asks.
CREATE TABLE outbox (
  strand     BIGINT NOT NULL,
  webhook    BIGINT NOT NULL,
  activity   BIGINT NOT NULL,
  number     BIGINT NOT NULL,
  user_id    BIGINT NOT NULL,
  submission BIGINT,                   -- that it is about
  at         BIGINT NOT NULL,
  key        BYTEA,                    -- that it is about
  event      TEXT NOT NULL,
  PRIMARY KEY (strand, webhook, activity, number)
);

-- How far a webhook has come in an activity. Only the first event that is not delivered is ever
-- tried, so what is known of its attempts stands here. A disabled webhook is so by its own row alone.
CREATE TABLE lanes (
  strand        BIGINT NOT NULL,
  webhook       BIGINT NOT NULL,
  activity      BIGINT NOT NULL,
  last          BIGINT NOT NULL,       -- number of the newest event
  sent          BIGINT NOT NULL,       -- number of the last that is done with
  attempts      BIGINT NOT NULL DEFAULT 0,
  failing_since BIGINT,                -- first failed attempt of the event now first
  due_at        BIGINT,                -- null: nothing to do
  claimed_by    BIGINT,                -- the server that is sending the first event,
  claimed_until BIGINT,                -- and from when another may
  PRIMARY KEY (strand, webhook, activity)
);
CREATE INDEX lanes_due ON lanes (webhook, due_at) WHERE due_at IS NOT NULL;
