"""Who may use the page: with tokens anybody may see its empty frame; without them only pages of our own may ask."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from server.config import Config, ServerConfig, Token
from tests.server.http.api import DATABASES, Api, running


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Api]:
    config = Config(databases=DATABASES, server=ServerConfig(tokens=(Token(name="ops", secret="s3cret"),)))
    with running(tmp_path, config) as made:
        yield made


def test_the_page_asks_for_the_token_and_forgets_it_with_the_tab(browser: Browser, guarded: Api) -> None:
    host, port = guarded.server.address
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"http://{host}:{port}/")
    page.get_by_role("button", name="Enter it…").click()
    page.get_by_role("textbox", name="Token").fill("s3cret")
    page.get_by_role("button", name="Use it").click()
    expect(page.get_by_role("heading", name="Schema changes")).to_be_visible()
    other = context.new_page()
    other.goto(f"http://{host}:{port}/")
    expect(other.get_by_role("button", name="Enter it…")).to_be_visible()
    context.close()


def test_a_page_of_our_own_may_command_without_a_token(api: Api) -> None:
    host, port = api.server.address
    answer = api.call(
        "POST", "/api/settings", {"key": "k", "value": "v"}, {"Origin": f"http://{host}:{port}"}
    )
    assert answer.status == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:13370", "127.0.0.1.evil.example"])
def test_a_name_that_was_pointed_at_this_machine_reads_nothing(api: Api, host: str) -> None:
    answer = api.call("GET", "/api/status", headers={"Host": host})
    assert answer.status == 403
    assert "no token is configured" in answer.json["error"]


@pytest.mark.parametrize("host", ["localhost:13370", "127.0.0.1", "[::1]:13370"])
def test_the_names_of_this_machine_are_served(api: Api, host: str) -> None:
    assert api.call("GET", "/api/status", headers={"Host": host}).status == 200


def test_a_file_the_page_does_not_have_is_not_found(api: Api) -> None:
    assert api.get("/page/..%2fconfig.py").status == 404
    assert api.get("/page/none.js").status == 404
