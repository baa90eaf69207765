"""Tables, changes and what the application does meanwhile: one line per trap of engines' history, however long."""

# ruff: noqa: E501, ISC004

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """`during` runs after the first chunk, `late` when all is copied and compared. `refused`: the copy must fail, saying so."""

    name: str
    create: str  # statements, separated by ;;
    clauses: tuple[str, ...]
    during: tuple[str, ...] = ()
    late: tuple[str, ...] = ()
    refused: str = ""
    only: str = ""  # mariadb | mysql, perhaps from some version on: mariadb 10.7
    renames: dict[str, str] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()
    source: str = "t"
    repairs: int = 0
    unsafe: bool = False  # and allowed


ADD = ("ADD COLUMN extra INT NOT NULL DEFAULT 5",)
WRITES = (
    "UPDATE t SET v = CONCAT(v, '!') WHERE v IN ('b', 'c')",
    "DELETE FROM t WHERE v = 'd'",
    "INSERT INTO t SELECT * FROM (SELECT * FROM spare LIMIT 1) x",
)


def keyed(
    name: str, key: str, values: tuple[str, ...], *, more: str = "PRIMARY KEY (k)", **options: object
) -> Scenario:
    """A table with the key column(s) *key*; the last of *values* comes while it is copied."""
    rows = ", ".join(f"({value}, '{letter}')" for value, letter in zip(values, "abcdefgh", strict=False))
    return Scenario(
        name=name,
        create=f"CREATE TABLE t ({key}, v VARCHAR(20) NOT NULL, {more});; CREATE TABLE spare LIKE t;; "
        f"INSERT INTO t VALUES {rows};; INSERT INTO spare SELECT * FROM t WHERE v = 'a';; DELETE FROM t WHERE v = 'a'",
        clauses=ADD,
        during=WRITES,
        late=("UPDATE t SET v = 'late' WHERE v = 'e'", "DELETE FROM t WHERE v = 'b!'"),
        **options,  # type: ignore[arg-type]
    )


KEYS = (
    Scenario(
        name="made_by_the_server",
        only="mysql",
        create="SET SESSION sql_generate_invisible_primary_key = 1;; CREATE TABLE t (a INT, v VARCHAR(20) NOT NULL);; "
        "ALTER TABLE t ADD COLUMN z INT FIRST;; INSERT INTO t (a, v) VALUES (1, 'same'), (1, 'same'), (2, 'b'), (NULL, 'd'), (3, 'e')",
        clauses=("ADD COLUMN extra INT NOT NULL DEFAULT 5 FIRST, MODIFY a BIGINT",),
        during=(
            "UPDATE t SET v = CONCAT(v, '!') WHERE v = 'b'",
            "DELETE FROM t WHERE v = 'd'",
            "INSERT INTO t (a, v) VALUES (1, 'same')",
            "UPDATE t SET my_row_id = 4711 WHERE v = 'same' LIMIT 1",
        ),
        late=("UPDATE t SET v = 'late' WHERE v = 'e'", "DELETE FROM t WHERE v = 'b!'"),
    ),
    keyed(
        "unsigned_near_the_end",
        "k BIGINT UNSIGNED NOT NULL",
        ("18446744073709551615", "18446744073709551614", "0", "1", "9223372036854775808"),
    ),
    keyed("negative", "k INT NOT NULL", ("-2147483648", "-1", "0", "1", "2147483647")),
    keyed("huge_gaps", "k BIGINT NOT NULL", ("1", "1000000000000", "2000000000000", "-3000000000000", "5")),
    keyed(
        "binary_trailing_zeros",
        "k BINARY(16) NOT NULL",
        ("x'61'", "x'6162'", "x'00'", "x'ff00'", "x'0aff'"),
    ),
    keyed("varbinary_empty", "k VARBINARY(20) NOT NULL", ("''", "x'00'", "x'0000'", "x'ff'", "'a'")),
    keyed(
        "varchar_ci",
        "k VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL",
        ("'a'", "'B'", "'\u00e9t'", "''", "'\U0001f600'"),
    ),
    keyed(
        "varchar_bin",
        "k VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL",
        ("'a'", "'A'", "'b'", "''", "'\u00e9'"),
    ),
    keyed(
        "varchar_no_pad",
        "k VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci NOT NULL",
        ("'a'", "'a '", "'b'", "''", "' '"),
        only="mysql",
    ),
    keyed(
        "varchar_nopad_maria",
        "k VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL",
        ("'a'", "'a '", "'b'", "''", "' '"),
        only="mariadb",
    ),
    keyed("char_latin1", "k CHAR(10) CHARACTER SET latin1 NOT NULL", ("'a'", "'\u00e9'", "'b'", "''", "'z'")),
    keyed(
        "varchar_ucs2",
        "k VARCHAR(10) CHARACTER SET ucs2 NOT NULL",
        ("'a'", "'\u00e9'", "'b'", "''", "'\u4e2d'"),
    ),
    keyed("decimal", "k DECIMAL(20,6) NOT NULL", ("1.5", "-1.5", "0", "99999999999999.999999", "0.000001")),
    keyed(
        "datetime6",
        "k DATETIME(6) NOT NULL",
        (
            "'2024-01-01 00:00:00.000001'",
            "'2024-01-01'",
            "'0000-00-00 00:00:00'",
            "'9999-12-31 23:59:59.999999'",
            "'1000-01-01'",
        ),
    ),
    keyed(
        "timestamp",
        "k TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3)",
        (
            "'2024-10-27 00:30:00.5'",
            "'2024-10-27 01:30:00'",
            "'2024-10-27 02:30:00'",
            "'2024-03-31 02:00:00.001'",
            "'2001-01-01'",
        ),
    ),
    keyed(
        "date",
        "k DATE NOT NULL",
        ("'2024-01-01'", "'0000-00-00'", "'2023-00-00'", "'9999-12-31'", "'2020-02-29'"),
    ),
    keyed(
        "time",
        "k TIME(3) NOT NULL",
        ("'-838:59:58.999'", "'00:00:00'", "'12:00:00.5'", "'-00:00:01'", "'838:59:59'"),
    ),
    keyed(
        "enum",  # servers tell one of its members as ?
        "k ENUM('z','m','a','\u00e9','\U0001f600') NOT NULL",
        ("'z'", "'\U0001f600'", "'m'", "'\u00e9'", "'a'"),
    ),
    keyed(
        "composite",
        "a INT NOT NULL, b VARCHAR(9) NOT NULL, c DATE NOT NULL, d VARBINARY(4) NOT NULL",
        (
            "1,'x','2024-01-01',x'00'",
            "1,'x','2024-01-01',x'0000'",
            "1,'y','2023-01-01',''",
            "2,'','2024-01-01',x'ff'",
            "-1,'x','2024-01-01',x'00'",
        ),
        more="PRIMARY KEY (a, b, c, d)",
    ),
    keyed(
        "composite_other_order",
        "a INT NOT NULL, b INT NOT NULL",
        ("1,2", "2,1", "1,1", "2,2", "0,9"),
        more="PRIMARY KEY (b, a)",
    ),
    keyed(
        "descending",
        "a INT NOT NULL, b INT NOT NULL",
        ("1,2", "2,1", "1,1", "2,2", "0,9"),
        more="PRIMARY KEY (a DESC, b)",
        only="mysql",
    ),
    keyed(
        "unique_instead_of_primary", "k INT NOT NULL", ("1", "2", "3", "4", "5"), more="UNIQUE KEY other (k)"
    ),
    keyed(
        "long_key",
        "k VARCHAR(760) CHARACTER SET utf8mb4 NOT NULL",
        tuple(f"CONCAT(REPEAT('k', 750), {n})" for n in range(5)),
        more="PRIMARY KEY (k)",
    ),
    keyed(
        "uuid",
        "k UUID NOT NULL",
        (
            "'00000000-0000-0000-0000-000000000001'",
            "'ffffffff-ffff-ffff-ffff-ffffffffffff'",
            "UUID()",
            "UUID()",
            "UUID()",
        ),
        only="mariadb 10.7",
    ),
    keyed(
        "inet6",
        "k INET6 NOT NULL",
        ("'::1'", "'::'", "'fe80::1'", "'::ffff:1.2.3.4'", "'ffff::'"),
        only="mariadb",
    ),
    keyed(
        "beside_hashes",
        "k INT NOT NULL, b TEXT UNIQUE, c VARCHAR(3000) CHARACTER SET utf8mb4 NOT NULL, d INT NOT NULL",
        ("1, 'a', '', 9", "2, NULL, 'b', 8", "3, NULL, 'c', 7", "4, 'd', 'd', 6", "5, 'e', 'e', 5"),
        more="PRIMARY KEY (k), UNIQUE KEY d (d) USING HASH, UNIQUE KEY c (c, b), UNIQUE KEY i (c) IGNORED",
        only="mariadb",
    ),
    keyed("zero_id", "k INT NOT NULL AUTO_INCREMENT", ("5", "0", "1", "2", "3")),
    Scenario(
        name="no_rows",
        create="CREATE TABLE t (id INT PRIMARY KEY)",
        clauses=ADD,
        late=("INSERT INTO t VALUES (1)",),
    ),
    Scenario(
        name="one_row",
        create="CREATE TABLE t (id INT PRIMARY KEY);; INSERT INTO t VALUES (7)",
        clauses=ADD,
        during=("UPDATE t SET id = 8",),
        late=("UPDATE t SET id = 6", "INSERT INTO t VALUES (8)"),
    ),
    Scenario(
        name="two_rows",
        create="CREATE TABLE t (id INT PRIMARY KEY);; INSERT INTO t VALUES (1), (2)",
        clauses=ADD,
        during=(
            "UPDATE t SET id = 3 WHERE id = 2",
            "UPDATE t SET id = 2 WHERE id = 1",
            "UPDATE t SET id = 1 WHERE id = 3",
        ),
    ),
    Scenario(
        name="generated_in_key",
        create="CREATE TABLE t (a INT NOT NULL, g INT AS (a * 2) STORED NOT NULL, PRIMARY KEY (g));; INSERT INTO t (a) VALUES (1), (2)",
        clauses=ADD,
        during=("INSERT INTO t (a) VALUES (9)", "DELETE FROM t WHERE a = 1"),
        only="mysql",
    ),
    Scenario(
        name="float_key", create="CREATE TABLE t (k FLOAT NOT NULL PRIMARY KEY)", clauses=ADD, refused="no "
    ),
    keyed(
        "enum_in_front",
        "e ENUM('z','m','a','\u00e9') NOT NULL, k INT NOT NULL",
        ("'z',1", "'a',1", "'m',7", "'a',2", "'\u00e9',3"),
        more="PRIMARY KEY (e, k)",
    ),
    keyed(
        "set_in_front",
        "e SET('z','m','a') NOT NULL, k INT NOT NULL",
        ("'z',1", "'z,a',1", "'',7", "'z,a',2", "'m,a',3"),
        more="PRIMARY KEY (e, k)",
    ),
    Scenario(
        name="nullable_unique_only", create="CREATE TABLE t (k INT, UNIQUE (k))", clauses=ADD, refused="no "
    ),
)


def values(name: str, columns: str, rows: tuple[str, ...], *, only: str = "", more: str = "") -> Scenario:
    """Values of every kind, copied and brought over by the stream; `columns` are named a, b, c, …"""
    names = ", ".join(column.strip().split(" ")[0] for column in columns.split(";"))
    made = ", ".join(column.strip() for column in columns.split(";"))
    inserts = ";; ".join(f"INSERT INTO t (id, {names}) VALUES ({n}, {row})" for n, row in enumerate(rows, 1))
    later = tuple(
        f"INSERT INTO t (id, {names}) SELECT id + {step}, {names} FROM t WHERE id < 100"
        for step in (100, 1000)
    )
    return Scenario(
        name=name,
        create=f"CREATE TABLE t (id INT PRIMARY KEY, {made} {more}) DEFAULT CHARACTER SET utf8mb4;; {inserts}",
        clauses=ADD,
        during=(later[0],),
        late=(later[1], "UPDATE t SET id = id + 5000 WHERE id < 3"),
        only=only,
    )


VALUES = (
    values(
        "numbers",
        "a TINYINT UNSIGNED; b BIGINT; c DECIMAL(65,30); d FLOAT; e DOUBLE; f BIT(64); g YEAR; h INT ZEROFILL",
        (
            "NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL",
            "0, -9223372036854775808, -99999999999999999999999999999999999.999999999999999999999999999999, -3.4e38, "
            "-1.7976931348623157e308, b'0', 1901, 7",
            "255, 9223372036854775807, 0.000000000000000000000000000001, 1.1, 0.1, "
            "b'1111111111111111111111111111111111111111111111111111111111111111', 2155, 4294967295",
        ),
    ),
    values(
        "texts",
        "a CHAR(5) CHARACTER SET latin1; b VARCHAR(20) CHARACTER SET ucs2; c TEXT; d VARCHAR(9) CHARACTER SET gbk; "
        "e ENUM('x','','\u00e9'); f SET('p','q','r'); g VARCHAR(20) COLLATE utf8mb4_bin; h LONGTEXT",
        (
            "NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL",
            "'', '', '', '', '', '', '', ''",
            "_latin1 x'80ff', '\u4e2d', '\U0001f600', '\u4e2d', '\u00e9', 'p,r', 'a ', REPEAT('x', 70000)",
            "'a#b', '#', '\\\\', '''', 'x', 'q', '%', '\\0'",
        ),
    ),
    values(
        "bytes",
        "a BINARY(4); b VARBINARY(4); c BLOB; d LONGBLOB; e TINYBLOB",
        ("NULL, NULL, NULL, NULL, NULL", "'', '', '', '', ''", "x'00', x'00', x'00', x'ff00fe', x'6100'", "x'61', x'6100', x'80', REPEAT(x'00ff', 40000), x'ff'"),
    ),
    values(
        "moments",
        "a DATE; b DATETIME(6); c TIMESTAMP(6) NULL; d TIME(6); e DATETIME; f TIMESTAMP NULL",
        (
            "NULL, NULL, NULL, NULL, NULL, NULL",
            "'0000-00-00', '0000-00-00', '0000-00-00', '-838:59:58.999999', '2021-02-31 10:00:00', '1970-01-01 00:00:01'",
            "'2023-00-00', '2023-00-15 01:02:03.000001', '2024-10-27 01:30:00.5', '838:59:59', '9999-12-31 23:59:59', '2038-01-19 03:14:07'",
        ),
    ),
    values(
        "json",
        "a JSON",
        ("NULL", "'1.0'", "'{\"a\": 1.0, \"b\": [null, true, \"\u00e9\"]}'", "JSON_OBJECT('d', 1.50, 't', 'x')", "'\"\"'", "'null'"),
    ),
    values("opaque_json", "a JSON", ("JSON_OBJECT('d', CAST('2024-01-01' AS DATE), 'n', CAST(1.500 AS DECIMAL(9,3)))", "CAST(1 AS JSON)"), only="mysql"),
    values("shapes", "a POINT; b GEOMETRY", ("NULL, NULL", "ST_GeomFromText('POINT(1 2)'), ST_GeomFromText('LINESTRING(0 0, 1 1)')")),
    values("shapes_with_srid", "a POINT SRID 4326", ("ST_GeomFromText('POINT(1 2)', 4326)",), only="mysql"),
    values("vectors", "a VECTOR(3)", ("NULL", "TO_VECTOR('[1,2,3]')"), only="mysql 9"),
    values("uuids", "a UUID; b INET6", ("NULL, NULL", "UUID(), '::1'"), only="mariadb 10.7"),
    values("compressed", "a TEXT COMPRESSED; b BLOB COMPRESSED", ("NULL, NULL", "'', ''", "REPEAT('a', 5000), REPEAT('b', 5000)"), only="mariadb"),
    values("generated", "a INT", ("1", "2", "NULL"), more=", g INT AS (a + 1) VIRTUAL, s INT AS (a * 2) STORED, z INT NOT NULL DEFAULT 3"),
    values("invisible", "a INT", ("1", "NULL"), more=", i INT NOT NULL DEFAULT 4 INVISIBLE"),
    Scenario(
        name="wide_rows",
        create="CREATE TABLE t (id INT PRIMARY KEY, b LONGBLOB);; INSERT INTO t VALUES (1, REPEAT('x', 3000000)), (2, ''), (3, REPEAT('y', 2000000))",
        clauses=ADD,
        during=("UPDATE t SET b = CONCAT(b, 'z') WHERE id = 1",),
    ),
)  # fmt: skip

WORDS = (
    "CREATE TABLE t (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, a VARCHAR(20) CHARACTER SET latin1 NOT NULL, n INT NULL, "
    "u INT NULL, KEY a (a));; INSERT INTO t (a, n, u) VALUES ('a', 1, 1), ('b', 2, 2), (_latin1 x'e9', 3, NULL), ('', -4, 4)"
)
MORE = (
    "INSERT INTO t (a, n, u) VALUES (_latin1 x'e9fc', 5, 5), ('c', 6, NULL)",
    "DELETE FROM t WHERE id = 2",
)


def altered(name: str, *clauses: str, create: str = WORDS, **options: object) -> Scenario:
    """An ALTER of a small table, rows coming by the stream, too."""
    options.setdefault("during", MORE if create is WORDS else ())
    return Scenario(name=name, create=create, clauses=clauses, **options)  # type: ignore[arg-type]


ENUMS = (
    "CREATE TABLE t (id INT PRIMARY KEY, e ENUM('a','b','c') NOT NULL);; INSERT INTO t VALUES (1,'a'),(2,'b')"
)
TIMES = "CREATE TABLE t (id INT PRIMARY KEY, d DATETIME(6) NULL, s TIMESTAMP(6) NULL);; INSERT INTO t VALUES (1, '2024-03-31 02:30:00.6', '2024-10-27 01:30:00.6'), (2, NULL, NULL)"

ALTERS = (
    altered("int_to_bigint_key", "MODIFY id BIGINT NOT NULL AUTO_INCREMENT"),
    altered("signed_to_unsigned_key", "MODIFY id INT UNSIGNED NOT NULL AUTO_INCREMENT"),
    altered("signed_to_unsigned", "MODIFY n INT UNSIGNED NULL", refused="n.*row with id = 4"),
    altered("shrink_that_fits", "MODIFY a VARCHAR(2) CHARACTER SET latin1 NOT NULL"),
    altered("shrink_that_does_not", "MODIFY a VARCHAR(2) CHARACTER SET latin1 NOT NULL", during=("INSERT INTO t (a) VALUES ('toolong')",), refused="row with id = 5"),
    altered("shrink_when_late", "MODIFY a VARCHAR(2) CHARACTER SET latin1 NOT NULL", late=("INSERT INTO t (a) VALUES ('toolong')",), refused="row with id = "),
    altered("null_to_not_null", "MODIFY u INT NOT NULL", refused="u.*row with id = 3"),
    altered("null_to_not_null_late", "MODIFY n INT NOT NULL", late=("INSERT INTO t (a, n) VALUES ('x', NULL)",), refused="n"),
    altered("null_to_not_null_without_nulls", "MODIFY n INT NOT NULL"),
    altered("latin1_to_utf8mb4", "MODIFY a VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL"),
    altered("convert_to", "CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"),
    altered("utf8mb4_to_latin1_that_does_not_fit", "MODIFY a VARCHAR(20) CHARACTER SET latin1 NOT NULL", create="CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(20) CHARACTER SET utf8mb4);; INSERT INTO t VALUES (1, '\u4e2d')", refused="row with id = 1"),
    altered("ucs2_and_gbk_to_utf8mb4", "MODIFY a VARCHAR(9) CHARACTER SET utf8mb4, MODIFY b VARCHAR(9) CHARACTER SET utf8mb4", create="CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(9) CHARACTER SET ucs2, b VARCHAR(9) CHARACTER SET gbk)", late=("INSERT INTO t VALUES (1, '\u4e2d\u00e9', '\u4e2d')", "INSERT INTO t VALUES (2, '', NULL)")),
    altered("definitions_that_are_no_text", "MODIFY n BIGINT", create="CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, b VARBINARY(9) DEFAULT x'ff27', e ENUM('\U0001f600', '?'), d VARCHAR(9) DEFAULT '\U0001f600', n INT, CHECK (d <> '?'));; INSERT INTO t (e) VALUES (1), (2)", late=("INSERT INTO t () VALUES ()",)),
    altered("key_charset", "MODIFY k VARCHAR(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL", create="CREATE TABLE t (k VARCHAR(9) CHARACTER SET latin1 PRIMARY KEY, v INT);; INSERT INTO t VALUES ('a', 1), (_latin1 x'e9', 2), ('z', 3), ('', 4)", during=("UPDATE t SET v = 9 WHERE v = 2", "DELETE FROM t WHERE v = 3", "INSERT INTO t VALUES (_latin1 x'fc', 5)")),
    altered("collation_that_makes_keys_collide", "MODIFY k VARCHAR(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL", create="CREATE TABLE t (k VARCHAR(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PRIMARY KEY);; INSERT INTO t VALUES ('a'), ('A')", refused="same value|Duplicate"),
    altered("key_becomes_case_sensitive", "MODIFY k VARCHAR(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL", create="CREATE TABLE t (k VARCHAR(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci PRIMARY KEY);; INSERT INTO t VALUES ('a'), ('B')", during=("UPDATE t SET k = 'A' WHERE k = 'a'", "UPDATE t SET k = 'b' WHERE k = 'B'")),
    altered("enum_reordered", r"MODIFY e ENUM('c\\c','a','b') NOT NULL", create=ENUMS.replace("'c'", r"'c\\c'"), during=("INSERT INTO t VALUES (3,3)",)),
    altered("enum_appended", "MODIFY e ENUM('a','b','c','d') NOT NULL", create=ENUMS, during=("INSERT INTO t VALUES (3,'c')",)),
    altered("enum_drops_unused", "MODIFY e ENUM('a','b') NOT NULL", create=ENUMS),
    altered("enum_drops_used", "MODIFY e ENUM('a','c') NOT NULL", create=ENUMS, refused="row with id = 2"),
    altered("enum_drops_used_late", "MODIFY e ENUM('a','b') NOT NULL", create=ENUMS, late=("INSERT INTO t VALUES (3,'c')",), refused="e"),
    altered("enum_to_set", "MODIFY e SET('b','a','c') NOT NULL", create=ENUMS, during=("INSERT INTO t VALUES (3,'c')",)),
    altered("members_in_another_order_and_case", "MODIFY e ENUM('C','B','A') NULL, MODIFY s SET('c','A','b') NULL, MODIFY v SET('c','A','b') NULL, MODIFY w ENUM('A','b') NULL", create="CREATE TABLE t (id INT PRIMARY KEY, e ENUM('a','b','c'), s SET('a','b','c'), v VARCHAR(9), w VARCHAR(9));; INSERT INTO t VALUES (1,'a','a,b','a,b','a'),(2,'b','','','b '),(3,NULL,NULL,NULL,NULL),(4,'c','a,b,c','b,a,c','2')", late=("INSERT INTO t VALUES (5,'c','b,c','c,a','B')",)),
    altered("rounded", "MODIFY d DECIMAL(5,1), MODIFY f DECIMAL(5,1), MODIFY t DATE", create="CREATE TABLE t (id INT PRIMARY KEY, d DECIMAL(5,2), f DOUBLE, t DATETIME);; INSERT INTO t VALUES (1, 1.55, 1.25, '2024-01-02 03:04:05'), (2, -1.55, NULL, NULL)", late=("INSERT INTO t VALUES (3, 7.77, 7.77, '2024-01-02 03:04:05')",), unsafe=True),
    altered("rounded_unasked", "MODIFY d DECIMAL(5,1)", create="CREATE TABLE t (id INT PRIMARY KEY, d DECIMAL(5,2));; INSERT INTO t VALUES (1, 1.5)", late=("INSERT INTO t VALUES (3, 7.77)",), refused="d.*row with id = 3"),
    altered("decimal_out_of_range", "MODIFY d DECIMAL(4,2)", create="CREATE TABLE t (id INT PRIMARY KEY, d DECIMAL(5,2));; INSERT INTO t VALUES (1, 1.5), (2, 123.45)", refused="row with id = 2"),
    altered("spaces_that_are_cut", "MODIFY v VARCHAR(3)", create="CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(9));; INSERT INTO t VALUES (1, 'abc'), (2, 'abc  ')", refused="fit|differ"),
    altered("enum_to_varchar", "MODIFY e VARCHAR(9) NOT NULL", create=ENUMS, late=("INSERT INTO t VALUES (3,'c')",)),
    altered("varchar_to_enum", "MODIFY a ENUM('a','b','','c','\u00e9','\u00e9\u00fc') CHARACTER SET latin1 NOT NULL"),
    altered("datetime_to_timestamp", "MODIFY d TIMESTAMP(6) NULL, MODIFY s DATETIME(6) NULL", create=TIMES, late=("INSERT INTO t VALUES (3, '2024-03-31 02:30:00', '2024-10-27 01:30:00')",)),
    altered("fewer_fractions", "MODIFY d DATETIME NULL, MODIFY s TIMESTAMP(1) NULL", create=TIMES),
    altered("add_unique", "ADD UNIQUE KEY n (n)"),
    altered("add_unique_with_duplicates", "ADD UNIQUE KEY n (n)", during=("INSERT INTO t (a, n) VALUES ('x', 1)",), refused="same value"),
    altered("add_unique_duplicate_before", "ADD UNIQUE KEY ua (a)", create=WORDS + ";; INSERT INTO t (a) VALUES ('b')", refused="same value"),
    altered("add_unique_duplicate_late", "ADD UNIQUE KEY n (n)", late=("INSERT INTO t (a, n) VALUES ('x', 1)",), refused="same value|Duplicate"),
    altered("drop_and_add_column", "DROP COLUMN n, ADD COLUMN n VARCHAR(9) NOT NULL DEFAULT 'new'", dropped=("n",)),
    altered("drop_column", "DROP COLUMN n", dropped=("n",)),
    altered("rename_column", "CHANGE n m INT NULL", renames={"n": "m"}),
    altered("rename_and_add_old_name", "CHANGE n m INT NULL", "ADD COLUMN n INT NOT NULL DEFAULT 8", renames={"n": "m"}),
    altered("rename_swaps_names", "CHANGE n x INT NULL", "CHANGE u n INT NULL", "CHANGE x u INT NULL", renames={"n": "u", "u": "n"}),
    altered("rename_case", "CHANGE n N BIGINT NULL", renames={"n": "N"}),
    altered("rename_key", "CHANGE id number INT NOT NULL AUTO_INCREMENT", renames={"id": "number"}),
    altered("add_not_null_without_default", "ADD COLUMN x INT NOT NULL, ADD COLUMN y VARCHAR(9) NOT NULL, ADD COLUMN z ENUM('p','q') NOT NULL, ADD COLUMN w TEXT NOT NULL"),
    altered("add_not_null_of_other_types", "ADD COLUMN c DATE NOT NULL, ADD COLUMN d DATETIME(3) NOT NULL, ADD COLUMN e TIMESTAMP NOT NULL, ADD COLUMN f TIME(3) NOT NULL, ADD COLUMN g YEAR NOT NULL, ADD COLUMN h BIT(9) NOT NULL, ADD COLUMN i DECIMAL(9,2) NOT NULL, ADD COLUMN j DOUBLE NOT NULL, ADD COLUMN k SET('p','q') NOT NULL, ADD COLUMN l BINARY(3) NOT NULL, ADD COLUMN o ENUM('it''s \\\\ 100%','','2','\u00e9') CHARACTER SET latin1 NOT NULL"),
    altered("add_not_null_json", "ADD COLUMN x JSON NOT NULL", only="mysql"),
    altered("add_not_null_of_coded_types", "ADD COLUMN x UUID NOT NULL, ADD COLUMN y INET6 NOT NULL, ADD COLUMN z INET4 NOT NULL", only="mariadb 10.10"),
    altered("add_first_and_after", "ADD COLUMN x INT NOT NULL DEFAULT 1 FIRST, ADD COLUMN y INT NULL AFTER a"),
    altered("add_check", "ADD CHECK (n > -100)"),
    altered("add_check_violated", "ADD CONSTRAINT positive CHECK (n > 0)", refused="positive"),
    altered("partition", "PARTITION BY HASH (id) PARTITIONS 3"),
    altered("repartition", "PARTITION BY RANGE (id) (PARTITION a VALUES LESS THAN (3), PARTITION b VALUES LESS THAN MAXVALUE)", create=WORDS.replace("KEY a (a))", "KEY a (a)) PARTITION BY HASH (id) PARTITIONS 2")),
    altered("partition_that_takes_not_all", "PARTITION BY RANGE (id) (PARTITION a VALUES LESS THAN (3))", refused="artition"),
    altered("row_format", "ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=8"),
    altered("comment", "COMMENT 'it''s 100% \\\\ new\nline'"),
    altered("same_engine", "ENGINE=InnoDB"),
    altered("another_key", "DROP PRIMARY KEY, ADD PRIMARY KEY (id, a), ADD UNIQUE KEY id (id)"),
    altered("long_name", *ADD, create=WORDS.replace("TABLE t ", f"TABLE {'n' * 64} ").replace("INTO t ", f"INTO {'n' * 64} "), during=(f"DELETE FROM {'n' * 64} WHERE id = 1",), source="n" * 64),
    altered("odd_name", *ADD, create=WORDS.replace("TABLE t ", "TABLE `a``b-\u00e9 select%s` ").replace("INTO t ", "INTO `a``b-\u00e9 select%s` "), during=("DELETE FROM `a``b-\u00e9 select%s` WHERE id = 1",), source="a`b-\u00e9 select%s"),
)  # fmt: skip
