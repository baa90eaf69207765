"""The versions a real schema went through, each as the database its authors' own scripts make."""

import re
from collections.abc import Iterable
from pathlib import Path

import apsw

from engine.lexer import significant
from engine.sqlite.catalog import Catalog, read_catalog
from engine.sqlite.pull import catalog_files
from engine.sqlite.quoting import quote_name

Version = tuple[str, dict[str, str]]  # name, files

# What the oldest scripts build on is not in the packages; these are the least tables that they can be run on.
ROUNDCUBE_BASE = """
CREATE TABLE users (user_id integer NOT NULL PRIMARY KEY, username varchar(128) NOT NULL DEFAULT '',
  mail_host varchar(128) NOT NULL DEFAULT '', alias varchar(128) NOT NULL DEFAULT '', created datetime, last_login datetime,
  language varchar(5) NOT NULL DEFAULT 'en', preferences text NOT NULL DEFAULT '');
CREATE TABLE identities (identity_id integer NOT NULL PRIMARY KEY, user_id integer NOT NULL DEFAULT 0,
  del tinyint NOT NULL DEFAULT 0, standard tinyint NOT NULL DEFAULT 0, name varchar(128) NOT NULL,
  organization varchar(128) DEFAULT '', email varchar(128) NOT NULL, "reply-to" varchar(128) NOT NULL DEFAULT '',
  bcc varchar(128) NOT NULL DEFAULT '', signature text NOT NULL DEFAULT '', html_signature tinyint NOT NULL DEFAULT 0);
CREATE INDEX ix_identities_user_id ON identities (user_id);
CREATE TABLE contacts (contact_id integer NOT NULL PRIMARY KEY, user_id integer NOT NULL DEFAULT 0, changed datetime,
  del tinyint NOT NULL DEFAULT 0, name varchar(128) NOT NULL, email varchar(128) NOT NULL,
  firstname varchar(128) NOT NULL DEFAULT '', surname varchar(128) NOT NULL DEFAULT '', vcard text NOT NULL DEFAULT '');
CREATE INDEX ix_contacts_user_id ON contacts (user_id);
CREATE TABLE session (sess_id varchar(40) NOT NULL PRIMARY KEY, created datetime, changed datetime, ip varchar(15), vars text);
CREATE TABLE cache (cache_id integer NOT NULL PRIMARY KEY, user_id integer NOT NULL DEFAULT 0, cache_key varchar(128),
  created datetime, data longtext NOT NULL);
CREATE INDEX ix_cache_user_cache_key ON cache (user_id, cache_key);
CREATE TABLE messages (message_id integer NOT NULL PRIMARY KEY, user_id integer);
"""
POWERDNS_BASE = """
CREATE TABLE domains (id INTEGER PRIMARY KEY, name VARCHAR(255) NOT NULL COLLATE NOCASE, master VARCHAR(128) DEFAULT NULL,
  last_check INTEGER DEFAULT NULL, type VARCHAR(6) NOT NULL, notified_serial INTEGER DEFAULT NULL, account VARCHAR(40));
CREATE UNIQUE INDEX name_index ON domains (name);
CREATE TABLE records (id INTEGER PRIMARY KEY, domain_id INTEGER DEFAULT NULL, name VARCHAR(255), type VARCHAR(10),
  content VARCHAR(65535), ttl INTEGER, prio INTEGER, change_date INTEGER);
CREATE INDEX rec_name_index ON records (name);
CREATE INDEX nametype_index ON records (name, type);
CREATE INDEX domain_id ON records (domain_id);
CREATE TABLE supermasters (ip VARCHAR(64) NOT NULL, nameserver VARCHAR(255) NOT NULL COLLATE NOCASE, account VARCHAR(40));
"""
POWERDNS_STEPS = (
    "nodnssec-3.x_to_3.4.0",
    "3.4.0_to_4.0.0",
    "4.0.0_to_4.2.0",
    "4.2.0_to_4.3.0",
    "4.3.0_to_4.3.1",
    "4.3.1_to_4.7.0",
)


def statements(script: str) -> list[str]:
    """The script cut at its semicolons (no triggers here); commands of the sqlite3 shell left out."""
    script = "\n".join(line for line in script.splitlines() if not line.startswith("."))
    found, start = [], 0
    for token in significant(script):
        if token.text == ";":
            found.append(script[start : token.start])
            start = token.end
    return [text.strip() for text in [*found, script[start:]] if significant(text)]


def version(name: str, connection: apsw.Connection) -> Version:
    return name, dict(catalog_files(read_catalog(connection)))


def roundcube(root: Path) -> list[Version]:
    """From 0.1 to the packaged version: one per upgrade script that changes the schema."""
    folder = root / "usr/share/roundcube/SQL/sqlite"
    return _upgraded(ROUNDCUBE_BASE, sorted(folder.glob("2*.sql")))


def powerdns(root: Path) -> list[Version]:
    """From 3.x to 4.7."""
    folder = root / "usr/share/pdns-backend-sqlite3/schema"
    return _upgraded(POWERDNS_BASE, [folder / f"{step}_schema.sqlite3.sql" for step in POWERDNS_STEPS])


def _upgraded(base: str, scripts: Iterable[Path]) -> list[Version]:
    connection = apsw.Connection(":memory:")
    connection.execute(base)
    versions = [version("base", connection)]
    for script in scripts:
        for statement in statements(script.read_text()):
            connection.execute(statement)
        found = version(script.name, connection)
        if found[1] != versions[-1][1]:
            versions.append(found)
    return versions


def mediawiki(root: Path) -> list[Version]:
    """Backwards in time table by table: every form that a patch once gave a table, oldest first, and the packaged one.

    Version n has each table in its n-th form. The order among the forms of one table is that of the patches' names; it
    matters little: every neighbour of a form is another real form of that table.
    """
    folder = root / "usr/share/mediawiki/maintenance/sqlite"
    final = apsw.Connection(":memory:")
    for script in ("tables-generated.sql", "archives/searchindex-fts3.sql"):
        for statement in statements(_plain((folder / script).read_text())):
            final.execute(statement)
    forms: dict[str, list[Catalog]] = {}
    for patch in sorted((folder / "archives").glob("patch-*.sql")):
        _collect(final, _plain(patch.read_text()), forms)
    rounds = max(len(found) for found in forms.values())
    return [
        *(_with_forms(f"round {n}", final, {name: found[n] for name, found in forms.items() if n < len(found)})
          for n in range(rounds)),
        version("packaged", final),
    ]  # fmt: skip


def _plain(sql: str) -> str:
    """What MediaWiki's own SQLite layer makes of its patches: types and index prefixes of MySQL go."""
    sql = re.sub(r"ENUM\s*\([^)]*\)", "TEXT", sql, flags=re.IGNORECASE)
    return re.sub(
        r"(?im)^(\s*CREATE\s.*INDEX\s[^(]*\(.*)$", lambda line: re.sub(r"\(\d+\)", "", line.group()), sql
    )


def _collect(final: apsw.Connection, patch: str, forms: dict[str, list[Catalog]]) -> None:
    """Add the tables that *patch* makes, in the form it gives them."""
    for name, texts in _tables_made(patch).items():
        scratch = apsw.Connection(":memory:")
        try:
            for text in texts:
                scratch.execute(text)
        except apsw.SQLError:
            continue  # this patch only makes sense on a state that is nowhere written down
        catalog = read_catalog(scratch)
        now = read_catalog(final).get(name)
        form = catalog.get(name)
        known = [c.fingerprint(name) for c in forms.get(name, [])]
        if now is not None and form is not None and form.fingerprint not in [*known, now.fingerprint]:
            forms.setdefault(name, []).append(catalog)


def _tables_made(patch: str) -> dict[str, list[str]]:
    """Table → its CREATE TABLE, RENAME and CREATE INDEX statements."""
    made: dict[str, list[str]] = {}
    for statement in statements(patch):
        found = significant(statement)
        words = [token.word for token in found[:3]]
        if words[:2] == ["CREATE", "TABLE"]:
            name = found[2].name
            made.setdefault(re.sub(r"_?_?te?mp$", "", name), []).append(statement)
        elif words[:2] == ["ALTER", "TABLE"] and found[3].word == "RENAME":
            made.setdefault(found[5].name, []).append(statement)
        elif words[0] == "CREATE" and "INDEX" in words:
            table = next(found[at + 1].name for at, token in enumerate(found) if token.word == "ON")
            made.setdefault(re.sub(r"_?_?te?mp$", "", table), []).append(statement)
    return {name: texts for name, texts in made.items() if "TABLE" in texts[0].upper()}


def _with_forms(name: str, final: apsw.Connection, forms: dict[str, Catalog]) -> Version:
    files = dict(catalog_files(read_catalog(final)))
    for table, catalog in forms.items():
        files.pop(f"{table}.sql", None)
        files.update({f"{table}.sql": catalog_files(catalog)[f"{quote_name(table)}.sql"]})
    return name, files
