-- What hosts call: the directory, and what makes a signed request good once.

-- Signed requests that were accepted, until their time is past.
CREATE TABLE nonces (
  host  INTEGER NOT NULL,
  nonce TEXT NOT NULL,
  until INTEGER NOT NULL,
  PRIMARY KEY (host, nonce)
) STRICT, WITHOUT ROWID;
CREATE INDEX nonces_by_end ON nonces (until);

-- `said` has a bit for each member that the directory has given, in the order of the columns in
-- `directory/set.rs`: launch claims no longer change it. A deleted row stays, since the log refers to it.
ALTER TABLE users ADD COLUMN said INTEGER NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN deleted_at INTEGER;
CREATE INDEX users_by_username ON users (host, username) WHERE username IS NOT NULL;
CREATE INDEX users_by_email ON users (host, email) WHERE email IS NOT NULL;
CREATE INDEX users_by_idnumber ON users (host, idnumber) WHERE idnumber IS NOT NULL;

ALTER TABLE courses ADD COLUMN said INTEGER NOT NULL DEFAULT 0;
ALTER TABLE courses ADD COLUMN deleted_at INTEGER;
CREATE INDEX courses_by_shortname ON courses (host, shortname) WHERE shortname IS NOT NULL;
CREATE INDEX courses_by_idnumber ON courses (host, idnumber) WHERE idnumber IS NOT NULL;

CREATE TABLE sections (
  id       INTEGER PRIMARY KEY,
  course   INTEGER NOT NULL REFERENCES courses,
  key      TEXT NOT NULL,              -- the host's own primary key
  name     TEXT,
  position INTEGER NOT NULL,           -- from 0
  UNIQUE (course, key)
) STRICT;

ALTER TABLE activities ADD COLUMN section INTEGER REFERENCES sections;
ALTER TABLE activities ADD COLUMN hidden INTEGER NOT NULL DEFAULT 0;
ALTER TABLE activities ADD COLUMN said INTEGER NOT NULL DEFAULT 0;
ALTER TABLE activities ADD COLUMN deleted_at INTEGER;
CREATE INDEX activities_by_course ON activities (course, key) WHERE course IS NOT NULL;
CREATE INDEX activities_hidden ON activities (id) WHERE hidden = 1;

CREATE TABLE enrolments (
  id     INTEGER PRIMARY KEY,
  host   INTEGER NOT NULL REFERENCES hosts,
  key    TEXT NOT NULL,                -- the host's own primary key
  user   INTEGER NOT NULL REFERENCES users,
  course INTEGER NOT NULL REFERENCES courses,
  role   TEXT,
  UNIQUE (host, key)
) STRICT;
CREATE INDEX enrolments_by_user ON enrolments (user, course);
CREATE INDEX enrolments_by_course ON enrolments (course, key);

-- Submissions up to this number no longer count. user 0: of everybody.
CREATE TABLE resets (
  activity INTEGER NOT NULL,
  user     INTEGER NOT NULL,
  upto     INTEGER NOT NULL,
  at       INTEGER NOT NULL,
  PRIMARY KEY (activity, user)
) STRICT, WITHOUT ROWID;

-- To end all keys of an activity. Written when a key starts, not when it is used.
CREATE INDEX keys_by_activity ON keys (activity, ends_at);
