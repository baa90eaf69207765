"""The configuration: every key checked, every problem said, secrets by reference and out of sight."""

import dataclasses
import re
import tomllib
from pathlib import Path

import pytest

from engine.mysql.address import FORMS
from server.bodies import BadBody, decode
from server.config import (
    Config,
    ConfigError,
    DatabaseConfig,
    DeploymentConfig,
    EnvironmentConfig,
    ServerConfig,
    StorageConfig,
    Token,
    WorkerConfig,
    is_loopback,
    load_config,
)
from server.secrets import SecretError, redact, resolve
from server.targets import Targets
from server.texts import clean
from storage.mysql.address import parse_address
from tests.cli.rig import make_shop

EXAMPLE = Path(__file__).resolve().parents[2] / "config.example.toml"


def written(folder: Path, text: str) -> Path:
    path = folder / "config.toml"
    path.write_text(text)
    return path


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(written(folder, text))
    assert str(caught.value) == "\n".join(caught.value.problems)
    return caught.value.problems


@pytest.mark.parametrize("found", ["mysql://me:env:PASSWORD@host/store", "state/store.db"])
@pytest.mark.parametrize("reference", ["env:STORE_URL", "file:store-url"])
def test_the_address_of_the_store_may_be_a_reference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference: str, found: str
) -> None:
    monkeypatch.setenv("STORE_URL", found)
    (tmp_path / "store-url").write_text(f"{found}\n")
    wanted = found if "://" in found else str(tmp_path / found)
    assert load_config(written(tmp_path, f'[storage]\nurl = "{reference}"')).storage.url == wanted


def test_an_empty_file_is_the_default_with_the_store_beside_it(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, ""))
    assert dataclasses.replace(config, storage=StorageConfig(), folder=Path()) == Config()
    assert config.storage.url == str(tmp_path / "schemabot.db")


def test_the_example_loads_and_shows_every_key_with_its_default() -> None:
    config = load_config(EXAMPLE)
    assert (config.server, config.workers, config.databases) == (ServerConfig(), WorkerConfig(), {})
    text = EXAMPLE.read_text()
    sections = (
        *(ServerConfig, StorageConfig, WorkerConfig, DatabaseConfig, EnvironmentConfig, Token),
        *(DeploymentConfig, Config),
    )
    keys = {field.name for section in sections for field in dataclasses.fields(section)}
    keys.remove("folder")  # the file's own: nobody writes it
    missing = [key for key in keys if not re.search(rf"(^|[# \[.]){key}( =|[\].])", text, re.MULTILINE)]
    assert missing == []


def test_the_commented_examples_in_the_example_load_too(tmp_path: Path) -> None:
    lines = EXAMPLE.read_text().splitlines()
    code = [re.sub(r"^# (?=\[|[a-z_]+ = )", "", line) for line in lines]
    config = load_config(written(tmp_path, "\n".join(code)))
    assert config.databases["shop"].type == "sqlite"
    assert config.databases["shop"].environments["staging"].dsn == "shop-staging.db"
    production = EnvironmentConfig(dsn="env:SHOP_DSN", unsafe_without_option="refuse")
    assert config.databases["shop"].environments["production"] == production
    assert config.unsafe_without_option("shop", "production") == "refuse"
    orders = EnvironmentConfig(dsn="env:ORDERS_DSN", workspace="env:WORKSPACE_DSN")
    assert config.databases["orders"].environments["production"] == orders
    assert config.unsafe_without_option("shop", "staging") == "allow"
    assert config.unsafe_without_option("elsewhere", "production") == "allow"
    assert config.deployments["default"] == DeploymentConfig(
        token="env:SCHEMABOT_FAR_TOKEN",
        environments={
            "staging": "http://127.0.0.1:13371",
            "production": "https://schemabot.example:13370",
        },
    )
    assert config.server.tokens == (Token(name="deploy", secret="env:SCHEMABOT_DEPLOY_TOKEN", role="write"),)


def test_only_a_mysql_database_has_a_workspace(tmp_path: Path) -> None:
    text = '[databases.shop]\ntype = "sqlite"\n[databases.shop.environments.local]\ndsn = "a.db"\nworkspace = "b.db"'
    assert "is for databases of type mysql only" in "\n".join(problems(tmp_path, text))


def test_every_problem_is_reported_at_once_with_file_and_key(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        """
        extra = 1
        [server]
        listen_prot = 1
        http_threads = true
        drain_seconds = "long"
        [workers]
        count = -1
        lease_seconds = nan
        poll_seconds = inf
        [databases.shop]
        type = "sqlit"
        [databases.shop.environments.local]
        dns = "shop.db"
        [databases."a/b"]
        """,
    )
    text = "\n".join(found)
    assert all(line.startswith(str(tmp_path / "config.toml")) for line in found)
    for expected in (
        "extra is not a known key; known: databases, deployments, server, storage, workers",
        'server.listen_prot is not a known key; did you mean "listen_port"?',
        "server.http_threads must be a whole number, not true/false",
        "server.drain_seconds must be a number of seconds, not a string",
        "workers.count must be between 0 and 64, not -1",
        "workers.lease_seconds must be between",
        "workers.poll_seconds must be between",
        "databases.shop.type must be one of sqlite, mysql, vitess, not 'sqlit'; did you mean \"sqlite\"?",
        "databases.shop.environments.local.dsn is required",
        'databases.shop.environments.local.dns is not a known key; did you mean "dsn"?',
        "name that cannot stand in a URL: 'a/b'",
    ):
        assert expected in text
    assert len(found) == 11


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[server", "is not valid TOML"),
        ('[databases.d]\ntype = "mariadb"', "not 'mariadb'; write \"mysql\", which is both"),
        ("server = 3", "server must be a table, not a whole number"),
        ("[server]\ntokens = 3", "server.tokens must be an array of tables"),
        ("[server]\ntokens = [3]", "server.tokens[1] must be a table"),
        ("[[server.tokens]]\nname = 'a'", "server.tokens[1].secret is required"),
        ("[[server.tokens]]\nname = 'a'\nsecret = ''", "server.tokens[1].secret must not be empty"),
        (
            "[[server.tokens]]\nname='a'\nsecret='b'\n[[server.tokens]]\nname='a'\nsecret='c'",
            "server.tokens[2].name is used twice",
        ),
        ("[databases.shop]\ntype = 'sqlite'", "databases.shop.environments needs at least one"),
        ("[storage]\nurl = ' '", "storage.url must not be empty"),
        (
            "[storage]\nurl = 'env:NO_SUCH_URL'",
            "storage.url cannot be read: the environment variable NO_SUCH_URL is not set (or empty)",
        ),
        ("[storage]\nurl = 'file:no-such-url'", "no-such-url cannot be read: No such file or directory"),
        ("[storage]\nurl = 'oracle://h/d'", "storage.url is not usable: no store of kind 'oracle'"),
        (
            "[storage]\nurl = 'mysql://me:pw@'",
            "storage.url is not usable: the address of the store must look like",
        ),
        ("[deployments.far]", "deployments.far.environments needs at least one"),
        (
            "[deployments.far]\ntokn = 'x'\nenvironments.a = 'http://far:1'",
            'deployments.far.tokn is not a known key; did you mean "token"?',
        ),
        ("[deployments.far]\nenvironments.a = ''", "deployments.far.environments.a must not be empty"),
        ("[deployments.far]\nenvironments.a = 1", "deployments.far.environments.a must be a string"),
        ("[deployments.far]\nenvironments.a = 'far:1'", "deployments.far.environments.a must look like"),
        (
            "[deployments.far]\nenvironments.a = 'http://far:x'",
            "deployments.far.environments.a is not an addr",
        ),
        (
            "[deployments.far]\nenvironments.a = 'http://me:pw@far'",
            "must not hold a user or a password; use to",
        ),
        ("[deployments.far]\nenvironments.'a/b' = 'http://far'", "cannot stand in a URL: 'a/b'"),
    ],
)
def test_a_wrong_file_is_refused_with_the_place(tmp_path: Path, text: str, problem: str) -> None:
    assert any(problem in line for line in problems(tmp_path, text))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.toml: cannot be read: No such file"):
        load_config(tmp_path / "gone.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"binary\.toml: is not UTF-8"):
        load_config(tmp_path / "binary.toml")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "schemabot.example"])
def test_listening_to_the_network_needs_a_token(tmp_path: Path, host: str) -> None:
    assert any(
        "server.listen_host is not safe" in line
        for line in problems(tmp_path, f"[server]\nlisten_host='{host}'")
    )
    with pytest.raises(ConfigError, match="open to the network"):
        ServerConfig(listen_host=host)
    text = f"[server]\nlisten_host='{host}'\n[[server.tokens]]\nname='ci'\nsecret='env:T'"
    assert load_config(written(tmp_path, text)).server.listen_host == host


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("", False),
    ],
)
def test_loopback_is_known(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_relative_paths_start_at_the_file_and_references_are_taken_later(tmp_path: Path) -> None:
    folder = tmp_path / "etc"
    folder.mkdir()
    config = load_config(
        written(
            folder,
            """
            [storage]
            url = "../state/store.db"
            [databases.shop]
            type = "sqlite"
            environments.a.dsn = "a.db"
            environments.b.dsn = "/abs/b.db"
            environments.c.dsn = "file:secrets/c"
            environments.d.dsn = "env:SHOP"
            [databases.big]
            type = "mysql"
            environments.a.dsn = "root@tcp(db)/big"
            """,
        )
    )
    assert Path(config.storage.url).resolve() == tmp_path / "state/store.db"
    dsns = {name: found.dsn for name, found in config.databases["shop"].environments.items()}
    assert dsns == {
        "a": "a.db",
        "b": "/abs/b.db",
        "c": f"file:{folder}/secrets/c",
        "d": "env:SHOP",
    }
    assert config.databases["big"].environments["a"].dsn == "root@tcp(db)/big"
    assert config.folder == folder


@pytest.mark.parametrize("dsn", ["shop.db", "env:SHOP_FILE", "file:dsn.txt"])
def test_a_relative_sqlite_file_is_beside_the_configuration_wherever_the_daemon_is_started(
    dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, elsewhere = tmp_path / "etc", tmp_path / "run"
    folder.mkdir()
    elsewhere.mkdir()
    (folder / "dsn.txt").write_text("shop.db\n")
    make_shop(folder / "shop.db")
    monkeypatch.setenv("SHOP_FILE", "shop.db")
    monkeypatch.chdir(elsewhere)
    text = f'[databases.shop]\ntype = "sqlite"\nenvironments.live.dsn = "{dsn}"'
    engine = Targets(load_config(written(folder, text))).engine("shop", "live", "shop")
    assert "orders.sql" in engine.pull()["shop"]


def test_the_stores_password_may_be_in_a_file_beside_the_configuration(tmp_path: Path) -> None:
    folder = tmp_path / "my etc"
    folder.mkdir()
    text = '[storage]\nurl = "mysql://bot:file:pass%20word.txt@db:3307/store?ssl_mode=required"'
    address = parse_address(load_config(written(folder, text)).storage.url.removeprefix("mysql://"))
    assert address.password == f"file:{folder}/pass word.txt"
    assert (address.user, str(address), address.ssl_mode) == ("bot", "db:3307/store", "required")


def test_a_store_in_the_form_of_another_program_is_refused_without_its_password(tmp_path: Path) -> None:
    text = '[storage]\nurl = "bot:S3cr3t@tcp(db:3306)/store"'
    with pytest.raises(
        ConfigError, match=r"storage\.url is not usable: .* must look like mysql://"
    ) as caught:
        load_config(written(tmp_path, text))
    assert "S3cr3t" not in str(caught.value)


def test_secrets_are_not_in_the_text_of_a_configuration(tmp_path: Path) -> None:
    text = "[[server.tokens]]\nname='ci'\nsecret='hunter22'\n[databases.s]\ntype='mysql'\nenvironments.a.dsn='u:pw9@h'"
    config = load_config(written(tmp_path, text))
    assert "hunter22" not in repr(config)
    assert "pw9" not in repr(config)


# -- secrets ----------------------------------------------------------------------------------------------------


def test_secrets_come_from_the_environment_from_files_or_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SB_TEST_SECRET", "from the environment")
    (tmp_path / "secret").write_text("  from the file\n")
    assert resolve("env:SB_TEST_SECRET") == "from the environment"
    assert resolve(f"file:{tmp_path}/secret") == "from the file"
    assert resolve("as it is") == "as it is"


def test_an_unreadable_secret_names_its_reference_and_never_its_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SB_TEST_SECRET", raising=False)
    (tmp_path / "empty").write_text(" \n")
    (tmp_path / "binary").write_bytes(b"hunter2\xff")
    (tmp_path / "large").write_text("hunter2" * 20_000)
    for reference, name in {
        "env:SB_TEST_SECRET": "SB_TEST_SECRET",
        f"file:{tmp_path}/gone": "gone",
        f"file:{tmp_path}/empty": "empty",
        f"file:{tmp_path}/binary": "binary",
        f"file:{tmp_path}/large": "large",
        f"file:{tmp_path}": str(tmp_path),
    }.items():
        with pytest.raises(SecretError, match=re.escape(name)) as caught:
            resolve(reference)
        assert "hunter2" not in str(caught.value)
        assert caught.value.__cause__ is None or "hunter2" not in repr(caught.value.__cause__)


def test_fetched_secrets_and_passwords_are_blanked_in_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    """AV-6."""
    monkeypatch.setenv("SB_TEST_SECRET", "correct-horse-battery")
    resolve("env:SB_TEST_SECRET")
    for text in (
        "login with correct-horse-battery failed",
        "mysql://bob:hunter2@db:3306/x is away",
        "mysql://bob:hun@ter2:hunter2@db/x is away",
        "bob:hunter2@tcp(db:3306)/x is away",
        "dsn user=bob password=hunter2 host=db",
        "Authorization: Bearer hunter2hunter2",
        "mysql://bob:password@hunter2@db/shop and bob:password@hunter2@tcp(db)/shop",
    ):
        shown = redact(text)
        assert "hunter2" not in shown
        assert "correct-horse" not in shown
        assert "[hidden]" in shown
    plain = 'main/users.sql:3:5: unrecognized token: "@" at 12:30:15 by cli:me@host'
    assert redact(plain) == plain
    assert redact(FORMS) == FORMS


def test_texts_for_people_hold_no_control_characters_and_end() -> None:
    """AV-6."""
    assert clean("a\x1b[31mred\x1b[0m\x07\x00b\r\nc\td\u202ee") == "ared  b\nc\td e"
    assert clean("\x1b]0;title\x07text") == "text"
    assert len(clean("x" * 1_000_000)) == 8_000
    assert clean("") == ""


# -- JSON bodies ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "EOF"),
        (b" \n", "EOF"),
        (b"{", "line 1, column 2"),
        (b"[]", "must be an object, not an array"),
        (b"3", "must be an object, not a number"),
        (b"\xff{}", "not UTF-8"),
        (b'{"a":NaN}', "NaN is not JSON"),
        (b'{"a":' + b"[" * 100_000, "nested too deeply"),
        (b'{"a":' + b"9" * 100_000 + b"}", "Exceeds the limit"),
        (b'{"a":"\x01"}', "Invalid control character"),
    ],
)
def test_a_body_that_is_no_object_is_refused_with_the_place(body: bytes, text: str) -> None:
    with pytest.raises(BadBody, match=re.escape(text)):
        decode(body)


def test_only_the_first_value_counts_names_match_in_any_case_and_null_is_absent() -> None:
    fields = decode(b'\xef\xbb\xbf {"DataBase":"shop","environment":null,"x":[1]} trailing {"database":"b"}')
    assert (fields.text("database"), fields.text("environment"), fields.integer("pull_request")) == (
        "shop",
        "",
        None,
    )


def test_wrong_types_name_the_field_and_what_it_must_be() -> None:
    fields = decode(
        b'{"a":3,"b":"3","c":1.5,"d":{"x":1},"e":{"ns":3},"f":{"ns":{"files":{"a.sql":3}}},"g":"yes","h":4294967296,'
        b'"i":"a\\nb","j":true}'
    )
    for ask, text in (
        (lambda: fields.text("a"), "a must be a string, not a number"),
        (lambda: fields.integer("b"), "b must be a whole number, not a string"),
        (lambda: fields.integer("c"), "c must be a whole number, not a number"),
        (lambda: fields.integer("j"), "j must be a whole number, not true or false"),
        (lambda: fields.names("d"), "d.x must be a string, not a number"),
        (lambda: fields.names("a"), "a must be an object, not a number"),
        (lambda: fields.files("e"), 'e.ns must be an object with "files", not a number'),
        (lambda: fields.files("f"), "f.ns.files.a.sql must be a string, not a number"),
        (lambda: fields.flag("g"), "g must be true or false, not a string"),
        (lambda: fields.integer("h"), "h must fit in 32 bits"),
        (lambda: fields.text("i"), "i must not hold control characters"),
    ):
        with pytest.raises(BadBody, match=re.escape(text)):
            ask()


def test_half_a_surrogate_pair_becomes_a_replacement_character() -> None:
    fields = decode(b'{"a":"x\\ud800y","f":{"n\\udfff":{"files":{"f":"\\ud800"}}}}')
    assert fields.text("a") == "x\ufffdy"
    assert fields.files("f") == {"n\ufffd": {"f": "\ufffd"}}


def test_the_example_is_valid_toml() -> None:
    assert set(tomllib.loads(EXAMPLE.read_text())) == {"server", "storage", "workers"}


def test_a_certificate_and_its_key_belong_together_and_start_at_the_file(tmp_path: Path) -> None:
    both = '[server]\ntls_certificate = "api.pem"\ntls_key = "/etc/api.key"\n'
    server = load_config(written(tmp_path, both)).server
    assert (server.tls_certificate, server.tls_key) == (str(tmp_path / "api.pem"), "/etc/api.key")
    (problem,) = problems(tmp_path, '[server]\ntls_key = "api.key"\n')
    assert problem.endswith("server.tls_key needs tls_certificate beside it")


def test_a_role_or_a_choice_that_is_none_names_those_there_are(tmp_path: Path) -> None:
    text = '[server]\nunsafe_without_option = "deny"\n[[server.tokens]]\nname = "ci"\nsecret = "x"\nrole = "reed"\n'
    role, unsafe = problems(tmp_path, text)
    assert "role must be one of read, write, admin, not 'reed'; did you mean \"read\"?" in role
    assert "unsafe_without_option must be one of allow, refuse, not 'deny'" in unsafe
