-- Plans, applies, their tasks, who drove them, and the log people read.
-- Times are DATETIME(6) in UTC, always read from the server's own clock. Durations are microseconds.
-- Every statement ends with a semicolon at the end of a line; each may run again after a crash.
-- Texts are compared byte by byte. What other programs or people may send is utf8mb4, whatever it looks like: then a
-- comparison with anything uses the index. What only this program writes is ascii.

CREATE TABLE plans(
  plan_id         VARCHAR(255) NOT NULL PRIMARY KEY,
  database_name   VARCHAR(255) NOT NULL,
  database_type   VARCHAR(64) NOT NULL,
  environment     VARCHAR(128) NOT NULL,
  deployment      TEXT NOT NULL,
  repository      TEXT NOT NULL,
  pull_request    BIGINT,
  engine          VARCHAR(64) NOT NULL,
  schema_files    LONGTEXT NOT NULL,  -- JSON, as all below
  changes         LONGTEXT NOT NULL,
  findings        LONGTEXT NOT NULL,
  original_schema LONGTEXT NOT NULL,
  fingerprints    LONGTEXT NOT NULL,
  created_at      DATETIME(6) NOT NULL
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE applies(
  id              BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  apply_uid       VARCHAR(64) NOT NULL,
  plan_id         VARCHAR(255) NOT NULL,
  idempotency_key VARCHAR(255),            -- NULL: the caller gave none
  request_hash    CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,  -- compared when the key comes again
  database_name   VARCHAR(255) NOT NULL,
  database_type   VARCHAR(64) NOT NULL,
  environment     VARCHAR(128) NOT NULL,
  deployment      TEXT NOT NULL,
  repository      TEXT NOT NULL,
  pull_request    BIGINT,
  caller          TEXT NOT NULL,
  engine          VARCHAR(64) NOT NULL,
  options         MEDIUMTEXT NOT NULL,     -- JSON
  state           VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  claimable_at    DATETIME(6),             -- when anybody may claim it; NULL: nobody may (terminal, stopped)
  due_in          BIGINT NOT NULL,         -- how far ahead claimable_at was set, to notice a clock that went back
  attempt         INT NOT NULL DEFAULT 0,  -- consecutive attempts without durable progress
  max_attempts    INT NOT NULL,
  fence           BIGINT NOT NULL DEFAULT 0,   -- +1 at every change of owner, never reset
  lease_token     CHAR(32) CHARACTER SET ascii COLLATE ascii_bin,  -- random per claim, unique by attempts_token; NULL: nobody drives
  lease_owner     TEXT NOT NULL DEFAULT (''),  -- for people only
  heartbeat_at    DATETIME(6),
  retrying_since  DATETIME(6),             -- when it became failed_retryable
  error           MEDIUMTEXT NOT NULL DEFAULT (''),
  external_id     TEXT NOT NULL DEFAULT (''),
  created_at      DATETIME(6) NOT NULL,
  updated_at      DATETIME(6) NOT NULL,
  started_at      DATETIME(6),
  finished_at     DATETIME(6),
  -- Nobody may claim it again: it retries, or its driver died, and the budget is spent. Only the sweep ends it.
  exhausted       BOOLEAN GENERATED ALWAYS AS (
    attempt >= max_attempts AND (state = 'failed_retryable' OR lease_token IS NOT NULL)) VIRTUAL,
  -- 1 or NULL. These servers have no partial index; in a unique one, rows with a NULL stand in nobody's way.
  live            TINYINT GENERATED ALWAYS AS (CASE WHEN finished_at IS NULL THEN 1 END) STORED,
  -- MariaDB has no index on an expression.
  shown_at        DATETIME(6) GENERATED ALWAYS AS (COALESCE(started_at, created_at)) STORED,
  UNIQUE KEY applies_uid(apply_uid),
  UNIQUE KEY applies_key(idempotency_key),
  -- One live apply per target; stopped and failed_retryable ones keep it reserved.
  UNIQUE KEY applies_one_live(live, database_name, environment, database_type),
  KEY applies_claim(claimable_at, id),
  KEY applies_database(database_name, id),
  KEY applies_recent(shown_at, id),
  KEY applies_plan(plan_id),
  CONSTRAINT applies_of_plan FOREIGN KEY(plan_id) REFERENCES plans(plan_id),
  CONSTRAINT applies_state CHECK(state IN (
    'pending', 'running', 'waiting_for_cutover', 'cutting_over', 'revert_window', 'completed', 'failed',
    'failed_retryable', 'stopped', 'cancelled', 'reverted', 'preparing_branch', 'applying_branch_changes',
    'validating_branch', 'creating_deploy_request', 'validating_deploy_request', 'waiting_for_deploy')),
  CONSTRAINT applies_claimable CHECK(
    (claimable_at IS NULL) = (state IN ('stopped', 'completed', 'failed', 'cancelled', 'reverted'))),
  CONSTRAINT applies_finished CHECK(
    (finished_at IS NOT NULL) = (state IN ('completed', 'failed', 'cancelled', 'reverted'))),
  CONSTRAINT applies_retrying CHECK((retrying_since IS NOT NULL) = (state = 'failed_retryable')),
  CONSTRAINT applies_leased CHECK(
    lease_token IS NULL OR (claimable_at IS NOT NULL AND state <> 'failed_retryable')),
  CONSTRAINT applies_budget CHECK(attempt BETWEEN 0 AND max_attempts),
  CONSTRAINT applies_options CHECK(json_valid(options))
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE tasks(
  apply_id        BIGINT NOT NULL,
  seq             INT NOT NULL,
  task_uid        VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  namespace       TEXT NOT NULL,
  table_name      TEXT NOT NULL,
  ddl             LONGTEXT NOT NULL,
  change_type     VARCHAR(64) NOT NULL,
  strategy        VARCHAR(255) NOT NULL,
  state           VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  attempt         INT NOT NULL DEFAULT 0,
  fence           BIGINT NOT NULL DEFAULT 0,   -- of the last write
  error           MEDIUMTEXT NOT NULL DEFAULT (''),
  rows_copied     BIGINT NOT NULL DEFAULT 0,
  rows_total      BIGINT NOT NULL DEFAULT 0,
  eta_seconds     BIGINT,
  rows_per_second BIGINT,
  detail          MEDIUMTEXT NOT NULL DEFAULT (''),
  started_at      DATETIME(6),
  completed_at    DATETIME(6),
  PRIMARY KEY(apply_id, seq),
  UNIQUE KEY tasks_uid(task_uid),
  CONSTRAINT tasks_of_apply FOREIGN KEY(apply_id) REFERENCES applies(id),
  CONSTRAINT tasks_state CHECK(state IN (
    'pending', 'running', 'waiting_for_cutover', 'cutting_over', 'revert_window', 'completed', 'failed',
    'failed_retryable', 'stopped', 'cancelled', 'reverted')),
  CONSTRAINT tasks_completed CHECK(
    (completed_at IS NOT NULL) = (state IN ('completed', 'failed', 'cancelled', 'reverted')))
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE attempts(
  apply_id        BIGINT NOT NULL,
  fence           BIGINT NOT NULL,
  attempt         INT NOT NULL,
  bumped          BOOLEAN NOT NULL,        -- whether this claim spent an attempt
  lease_token     CHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  owner           TEXT NOT NULL,
  claimed_at      DATETIME(6) NOT NULL,
  ended_at        DATETIME(6),
  outcome         VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
  PRIMARY KEY(apply_id, fence),
  UNIQUE KEY attempts_token(lease_token),
  CONSTRAINT attempts_of_apply FOREIGN KEY(apply_id) REFERENCES applies(id),
  CONSTRAINT attempts_ended CHECK((ended_at IS NULL) = (outcome = ''))
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE apply_events(
  id              BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  apply_id        BIGINT NOT NULL,
  task_seq        INT,
  fence           BIGINT,
  level           VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  event_type      VARCHAR(64) NOT NULL,
  message         MEDIUMTEXT NOT NULL,
  old_state       VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
  new_state       VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
  created_at      DATETIME(6) NOT NULL,
  KEY apply_events_apply(apply_id, id),
  CONSTRAINT apply_events_of_apply FOREIGN KEY(apply_id) REFERENCES applies(id),
  CONSTRAINT apply_events_level CHECK(level IN ('debug', 'info', 'warn', 'error'))
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
