"""What a server passes over in a definition is refused, what it keeps is not."""

import pytest

from engine.errors import BadFiles
from tests.engine.mysql.planning.rig import ground
from tests.servers.server import Server

UNKEPT = [
    ("FOREIGN KEY (a) REFERENCES p (id)) ENGINE=MyISAM", "", "the engine MyISAM keeps no foreign keys"),
    ("FOREIGN KEY (a) REFERENCES p (id) MATCH FULL)", "", "takes MATCH FULL here"),
    ("FOREIGN KEY (a) REFERENCES p (id) ON DELETE SET DEFAULT)", "mariadb", "takes SET DEFAULT here"),
    ("KEY (a) USING HASH)", "mysql", "takes USING HASH here"), ("KEY (a) KEY_BLOCK_SIZE=4)", "mysql", "takes KEY_BLOCK_SIZE"),
    ("p POINT REF_SYSTEM_ID=4326)", "mariadb", "takes REF_SYSTEM_ID"), ("KEY (a)) UNION=(p)", "", "takes UNION here"),
    ("KEY (a)) PASSWORD='x'", "", "takes PASSWORD here"), ("KEY (a)) STORAGE DISK", "mariadb", "takes STORAGE here"),
    ("KEY (a)); CREATE INDEX i ON t (a, id) ALGORITHM=COPY", "", "takes ALGORITHM here"),
    ("KEY (a)); CREATE INDEX i ON t (a, id) LOCK=NONE", "", "takes LOCK here"),
    ("b VARCHAR(20), FULLTEXT KEY f (b(5)))", "", "a FULLTEXT index is of whole columns"),
    ("b VARCHAR(20)); CREATE FULLTEXT INDEX f ON t (b(5))", "", "a FULLTEXT index is of whole columns"),
]  # fmt: skip


@pytest.mark.parametrize(("rest", "of", "reason"), UNKEPT)
def test_what_the_server_passes_over_in_a_definition_is_refused(
    server: Server, rest: str, of: str, reason: str
) -> None:
    files = f"CREATE TABLE p (id INT PRIMARY KEY);\nCREATE TABLE t (id INT PRIMARY KEY, a INT, {rest};"
    with ground(server) as here:
        if server.is_one(of):
            with pytest.raises(BadFiles, match=rf"shop\.sql:2:\d+: .*{reason}"):
                here.plan(files)
        elif "REF_SYSTEM_ID" not in rest:
            here.settle(files)


def test_what_the_server_keeps_is_not_taken_for_passed_over(server: Server) -> None:
    mysql = server.flavour == "mysql"
    options = "ENGINE=MEMORY" if mysql else ""
    default = "/*!50100 TABLESPACE `innodb_file_per_table` */" if mysql else "CHARACTER SET DEFAULT"
    files = f"""
        CREATE TABLE storage (
            id INT PRIMARY KEY, password INT, algorithm INT, `wait` INT, s SET('a') DEFAULT 'a', KEY (password) USING HASH
        ) {options};
        CREATE INDEX a ON storage (algorithm); CREATE INDEX b ON storage (`wait`);
        CREATE TABLE `lock` (tablespace INT) PARTITION BY KEY ALGORITHM=2 (tablespace) PARTITIONS 2;
        CREATE TABLE d (id INT PRIMARY KEY, v VARCHAR(20), FULLTEXT (v)) {default};
    """
    with ground(server) as here:
        here.settle(files)
