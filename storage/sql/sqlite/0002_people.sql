-- What people ask for: commands, reservations of databases, settings.

CREATE TABLE control_requests(
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  apply_id   INTEGER NOT NULL REFERENCES applies(id),
  kind       TEXT NOT NULL CHECK(kind IN ('stop', 'start', 'cancel', 'cutover')),
  caller     TEXT NOT NULL,
  state      TEXT NOT NULL CHECK(state IN ('pending', 'done', 'failed', 'superseded')),
  reason     TEXT NOT NULL DEFAULT '',
  affected   INTEGER NOT NULL DEFAULT 0,
  skipped    INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL,
  settled_at INTEGER,
  CHECK((settled_at IS NULL) = (state = 'pending'))
) STRICT;
CREATE UNIQUE INDEX control_requests_open ON control_requests(apply_id, kind) WHERE state = 'pending';

CREATE TABLE locks(
  database_name TEXT NOT NULL,
  database_type TEXT NOT NULL,
  owner         TEXT NOT NULL,
  repository    TEXT NOT NULL,
  pull_request  INTEGER,
  created_at    INTEGER NOT NULL,
  updated_at    INTEGER NOT NULL,
  PRIMARY KEY(database_name, database_type)
) STRICT, WITHOUT ROWID;

CREATE TABLE settings(
  key   TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
