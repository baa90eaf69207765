"""Real schemas of MySQL and MariaDB as their packages bring them, and the versions that Roundcube's went through."""

import re
from collections.abc import Iterator
from pathlib import Path

from tests.engine.real.scripts import statements, text_of

# What the oldest scripts build on is not in the package; these are the tables of 0.1 as far as the scripts tell them.
ROUNDCUBE_BASE = """
CREATE TABLE users (user_id int(10) UNSIGNED NOT NULL AUTO_INCREMENT, username varchar(128) NOT NULL, mail_host
  varchar(128) NOT NULL, alias varchar(128) NOT NULL, created datetime NOT NULL DEFAULT '1000-01-01 00:00:00',
  last_login datetime NOT NULL DEFAULT '1000-01-01 00:00:00', language varchar(5) NOT NULL DEFAULT 'en', preferences
  text, PRIMARY KEY (user_id)) ENGINE=InnoDB {utf8};
CREATE TABLE session (sess_id varchar(40) NOT NULL, created datetime NOT NULL DEFAULT '1000-01-01 00:00:00', changed
  datetime NOT NULL DEFAULT '1000-01-01 00:00:00', ip varchar(15) NOT NULL, vars text NOT NULL, PRIMARY KEY (sess_id))
  ENGINE=InnoDB {utf8};
CREATE TABLE messages (message_id int(11) UNSIGNED NOT NULL AUTO_INCREMENT, user_id int(10) UNSIGNED NOT NULL DEFAULT
  '0', del tinyint(1) NOT NULL DEFAULT '0', cache_key varchar(128) NOT NULL, created datetime NOT NULL DEFAULT
  '1000-01-01 00:00:00', idx int(11) UNSIGNED NOT NULL DEFAULT '0', uid int(11) UNSIGNED NOT NULL DEFAULT '0', subject
  varchar(255) NOT NULL, headers text NOT NULL, structure text, PRIMARY KEY (message_id), KEY idx (idx), KEY uid
  (uid), UNIQUE KEY uniqueness (user_id, cache_key, uid), CONSTRAINT user_id_fk_messages FOREIGN KEY (user_id)
  REFERENCES users (user_id) ON DELETE CASCADE) ENGINE=InnoDB {utf8};
CREATE TABLE cache (cache_id int(10) UNSIGNED NOT NULL AUTO_INCREMENT, user_id int(10) UNSIGNED NOT NULL DEFAULT '0',
  session_id varchar(40), cache_key varchar(128) NOT NULL, created datetime NOT NULL DEFAULT '1000-01-01 00:00:00',
  data longtext NOT NULL, PRIMARY KEY (cache_id), KEY cache_key (cache_key), KEY session_id (session_id), CONSTRAINT
  user_id_fk_cache FOREIGN KEY (user_id) REFERENCES users (user_id) ON DELETE CASCADE) ENGINE=InnoDB {utf8};
CREATE TABLE contacts (contact_id int(10) UNSIGNED NOT NULL AUTO_INCREMENT, user_id int(10) UNSIGNED NOT NULL DEFAULT
  '0', changed datetime NOT NULL DEFAULT '1000-01-01 00:00:00', del tinyint(1) NOT NULL DEFAULT '0', name varchar(128)
  NOT NULL, email varchar(128) NOT NULL, firstname varchar(128) NOT NULL, surname varchar(128) NOT NULL, vcard text,
  PRIMARY KEY (contact_id), CONSTRAINT user_id_fk_contacts FOREIGN KEY (user_id) REFERENCES users (user_id) ON DELETE
  CASCADE) ENGINE=InnoDB {utf8};
CREATE TABLE identities (identity_id int(10) UNSIGNED NOT NULL AUTO_INCREMENT, user_id int(10) UNSIGNED NOT NULL
  DEFAULT '0', del tinyint(1) NOT NULL DEFAULT '0', standard tinyint(1) NOT NULL DEFAULT '0', name varchar(128) NOT
  NULL, organization varchar(128), email varchar(128) NOT NULL, `reply-to` varchar(128), bcc varchar(128), signature
  text NOT NULL, html_signature tinyint(1) NOT NULL DEFAULT '0', PRIMARY KEY (identity_id), CONSTRAINT
  user_id_fk_identities FOREIGN KEY (user_id) REFERENCES users (user_id) ON DELETE CASCADE) ENGINE=InnoDB {utf8};
""".format(utf8="CHARACTER SET utf8 COLLATE utf8_general_ci")

_CREATES = re.compile(r"CREATE\s+(TABLE|(UNIQUE\s+|FULLTEXT\s+)?INDEX)\b", re.IGNORECASE)
_ADDED_KEY = re.compile(
    r"ALTER TABLE (?:ONLY )?`(?P<table>\w+)` ADD (?P<key>CONSTRAINT .* FOREIGN KEY .*)",
    re.IGNORECASE | re.DOTALL,
)


def zabbix(root: Path) -> list[str]:
    """173 tables; their foreign keys, which the script adds afterwards, put into the CREATE TABLE."""
    script = list(statements(text_of(root / "usr/share/zabbix-server-mysql/schema.sql.gz")))
    keys: dict[str, list[str]] = {}
    for found in filter(None, map(_ADDED_KEY.fullmatch, script)):
        keys.setdefault(found["table"], []).append(found["key"])
    return [_with_keys(statement, keys) for statement in _definitions(script)]


def cacti(root: Path) -> list[str]:
    """113 tables."""
    return list(_definitions(statements(text_of(root / "usr/share/doc/cacti/cacti.sql"))))


def mediawiki(root: Path) -> list[str]:
    """58 tables, with what the installer puts in for the marks in comments."""
    text = text_of(root / "usr/share/mediawiki/maintenance/tables-generated.sql")
    text = text.replace("/*_*/", "").replace("/*$wgDBTableOptions*/", "ENGINE=InnoDB, DEFAULT CHARSET=binary")
    return list(_definitions(statements(text)))


def roundcube(root: Path) -> list[str]:
    """17 tables."""
    return list(_definitions(statements(text_of(root / "usr/share/roundcube/SQL/mysql.initial.sql"))))


def kea(root: Path) -> list[str]:
    """The whole history in one script: 42 tables come out of it, many of them altered several times."""
    text = text_of(root / "usr/share/kea/scripts/mysql/dhcpdb_create.mysql")
    # The client passes over a backslash at the end of a line.
    return list(statements(text.replace("\\\n", "\n")))


def roundcube_steps(root: Path) -> Iterator[tuple[str, list[str]]]:
    """From 0.1 to the packaged version: (name, statements) of the base and of every script that changes the schema."""
    yield "base", list(statements(ROUNDCUBE_BASE))
    for file in sorted((root / "usr/share/roundcube/SQL/mysql").glob("2*.sql")):
        script = [
            s for s in statements(text_of(file)) if s and not s.upper().startswith(("UPDATE", "TRUNCATE"))
        ]
        if script:
            yield file.stem, script


def _definitions(script: Iterator[str] | list[str]) -> Iterator[str]:
    return (statement for statement in script if _CREATES.match(statement))


def _with_keys(statement: str, keys: dict[str, list[str]]) -> str:
    found = re.match(r"CREATE TABLE `(\w+)`", statement)
    added = keys.get(found[1], []) if found else []
    if not added:
        return statement
    body, end = statement.rsplit(")", 1)
    return f"{body.rstrip()},\n\t" + ",\n\t".join(added) + f"\n){end}"
