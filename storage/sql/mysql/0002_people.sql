-- What people ask for: commands, reservations of databases, settings.

CREATE TABLE control_requests(
  id         BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  apply_id   BIGINT NOT NULL,
  kind       VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  caller     TEXT NOT NULL,
  state      VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  reason     MEDIUMTEXT NOT NULL DEFAULT (''),
  affected   INT NOT NULL DEFAULT 0,
  skipped    INT NOT NULL DEFAULT 0,
  created_at DATETIME(6) NOT NULL,
  settled_at DATETIME(6),
  -- 1 or NULL, as applies.live: one pending command of a kind.
  is_open    TINYINT GENERATED ALWAYS AS (CASE WHEN state = 'pending' THEN 1 END) STORED,
  UNIQUE KEY control_requests_open(apply_id, is_open, kind),
  CONSTRAINT control_requests_of_apply FOREIGN KEY(apply_id) REFERENCES applies(id),
  CONSTRAINT control_requests_kind CHECK(kind IN ('stop', 'start', 'cancel', 'cutover')),
  CONSTRAINT control_requests_state CHECK(state IN ('pending', 'done', 'failed', 'superseded')),
  CONSTRAINT control_requests_settled CHECK((settled_at IS NULL) = (state = 'pending'))
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE locks(
  database_name VARCHAR(255) NOT NULL,
  database_type VARCHAR(64) NOT NULL,
  owner         TEXT NOT NULL,
  repository    TEXT NOT NULL,
  pull_request  BIGINT,
  created_at    DATETIME(6) NOT NULL,
  updated_at    DATETIME(6) NOT NULL,
  PRIMARY KEY(database_name, database_type)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE settings(
  name  VARCHAR(255) NOT NULL PRIMARY KEY,
  value MEDIUMTEXT NOT NULL
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
