-- Plans, applies, their tasks, who drove them, and the log people read.
-- Times are INTEGER milliseconds since 1970, always read from SQLite's own clock through the view below.

CREATE VIEW clock(now) AS SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER);

CREATE TABLE plans(
  plan_id         TEXT NOT NULL PRIMARY KEY,
  database_name   TEXT NOT NULL,
  database_type   TEXT NOT NULL,
  environment     TEXT NOT NULL,
  deployment      TEXT NOT NULL,
  repository      TEXT NOT NULL,
  pull_request    INTEGER,
  engine          TEXT NOT NULL,
  schema_files    TEXT NOT NULL,  -- JSON, as all below
  changes         TEXT NOT NULL,
  findings        TEXT NOT NULL,
  original_schema TEXT NOT NULL,
  fingerprints    TEXT NOT NULL,
  created_at      INTEGER NOT NULL
) STRICT;

CREATE TABLE applies(
  id              INTEGER PRIMARY KEY AUTOINCREMENT,
  apply_uid       TEXT NOT NULL UNIQUE,
  plan_id         TEXT NOT NULL REFERENCES plans(plan_id),
  idempotency_key TEXT UNIQUE,             -- NULL: the caller gave none
  request_hash    TEXT NOT NULL,           -- of the request, compared when the key comes again
  database_name   TEXT NOT NULL,
  database_type   TEXT NOT NULL,
  environment     TEXT NOT NULL,
  deployment      TEXT NOT NULL,
  repository      TEXT NOT NULL,
  pull_request    INTEGER,
  caller          TEXT NOT NULL,
  engine          TEXT NOT NULL,
  options         TEXT NOT NULL,           -- JSON
  state           TEXT NOT NULL CHECK(state IN (
    'pending', 'running', 'waiting_for_cutover', 'cutting_over', 'revert_window', 'completed', 'failed',
    'failed_retryable', 'stopped', 'cancelled', 'reverted', 'preparing_branch', 'applying_branch_changes',
    'validating_branch', 'creating_deploy_request', 'validating_deploy_request', 'waiting_for_deploy')),
  claimable_at    INTEGER,                 -- when anybody may claim it; NULL: nobody may (terminal, stopped)
  due_in          INTEGER NOT NULL,        -- how far ahead claimable_at was set, to notice a clock that went back
  attempt         INTEGER NOT NULL DEFAULT 0,  -- consecutive attempts without durable progress
  max_attempts    INTEGER NOT NULL,
  fence           INTEGER NOT NULL DEFAULT 0,  -- +1 at every change of owner, never reset
  lease_token     TEXT UNIQUE,             -- random per claim; NULL: nobody drives
  lease_owner     TEXT NOT NULL DEFAULT '',    -- for people only
  heartbeat_at    INTEGER,
  retrying_since  INTEGER,                 -- when it became failed_retryable
  error           TEXT NOT NULL DEFAULT '',
  external_id     TEXT NOT NULL DEFAULT '',
  created_at      INTEGER NOT NULL,
  updated_at      INTEGER NOT NULL,
  started_at      INTEGER,
  finished_at     INTEGER,
  -- Nobody may claim it again: it retries, or its driver died, and the budget is spent. Only the sweep ends it.
  exhausted       INTEGER NOT NULL GENERATED ALWAYS AS (
    attempt >= max_attempts AND (state = 'failed_retryable' OR lease_token IS NOT NULL)) VIRTUAL,
  CHECK((claimable_at IS NULL) = (state IN ('stopped', 'completed', 'failed', 'cancelled', 'reverted'))),
  CHECK((finished_at IS NOT NULL) = (state IN ('completed', 'failed', 'cancelled', 'reverted'))),
  CHECK((retrying_since IS NOT NULL) = (state = 'failed_retryable')),
  CHECK(lease_token IS NULL OR (claimable_at IS NOT NULL AND state <> 'failed_retryable')),
  CHECK(attempt BETWEEN 0 AND max_attempts),
  CHECK(json_valid(options))
) STRICT;
CREATE INDEX applies_claim ON applies(claimable_at, id) WHERE claimable_at IS NOT NULL;
-- One live apply per target; stopped and failed_retryable ones keep it reserved.
CREATE UNIQUE INDEX applies_one_live ON applies(database_name, environment, database_type) WHERE finished_at IS NULL;
CREATE INDEX applies_database ON applies(database_name, id);
CREATE INDEX applies_recent ON applies(COALESCE(started_at, created_at), id);

CREATE TABLE tasks(
  apply_id        INTEGER NOT NULL REFERENCES applies(id),
  seq             INTEGER NOT NULL,
  task_uid        TEXT NOT NULL UNIQUE,
  namespace       TEXT NOT NULL,
  table_name      TEXT NOT NULL,
  ddl             TEXT NOT NULL,
  change_type     TEXT NOT NULL,
  strategy        TEXT NOT NULL,
  state           TEXT NOT NULL CHECK(state IN (
    'pending', 'running', 'waiting_for_cutover', 'cutting_over', 'revert_window', 'completed', 'failed',
    'failed_retryable', 'stopped', 'cancelled', 'reverted')),
  attempt         INTEGER NOT NULL DEFAULT 0,
  fence           INTEGER NOT NULL DEFAULT 0,  -- of the last write
  error           TEXT NOT NULL DEFAULT '',
  rows_copied     INTEGER NOT NULL DEFAULT 0,
  rows_total      INTEGER NOT NULL DEFAULT 0,
  eta_seconds     INTEGER,
  rows_per_second INTEGER,
  detail          TEXT NOT NULL DEFAULT '',
  started_at      INTEGER,
  completed_at    INTEGER,
  PRIMARY KEY(apply_id, seq),
  CHECK((completed_at IS NOT NULL) = (state IN ('completed', 'failed', 'cancelled', 'reverted')))
) STRICT, WITHOUT ROWID;

CREATE TABLE attempts(
  apply_id        INTEGER NOT NULL REFERENCES applies(id),
  fence           INTEGER NOT NULL,
  attempt         INTEGER NOT NULL,
  bumped          INTEGER NOT NULL,        -- whether this claim spent an attempt
  lease_token     TEXT NOT NULL UNIQUE,
  owner           TEXT NOT NULL,
  claimed_at      INTEGER NOT NULL,
  ended_at        INTEGER,
  outcome         TEXT NOT NULL DEFAULT '',
  PRIMARY KEY(apply_id, fence),
  CHECK((ended_at IS NULL) = (outcome = ''))
) STRICT, WITHOUT ROWID;

CREATE TABLE apply_events(
  id              INTEGER PRIMARY KEY AUTOINCREMENT,
  apply_id        INTEGER NOT NULL REFERENCES applies(id),
  task_seq        INTEGER,
  fence           INTEGER,
  level           TEXT NOT NULL CHECK(level IN ('debug', 'info', 'warn', 'error')),
  event_type      TEXT NOT NULL,
  message         TEXT NOT NULL,
  old_state       TEXT NOT NULL DEFAULT '',
  new_state       TEXT NOT NULL DEFAULT '',
  created_at      INTEGER NOT NULL
) STRICT;
CREATE INDEX apply_events_apply ON apply_events(apply_id, id);
