"""The page as a person meets it: in a real browser, on a real server and store."""

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from engine.base import Finding, Severity, Strategy
from storage.records import Apply, TaskMove, TaskProgress
from storage.states import State
from tests.server.http.api import Api, change, result
from tests.server.page.conftest import Open

Shot = Callable[[Page, str], Path]
HOSTILE = "<img src=x onerror=\"document.title='owned'\"> `\u202e\x07 "


def copying(api: Api, **options: str) -> Apply:
    """An apply of two tables, the first one in the middle of its copy."""
    note = Finding(severity=Severity.WARNING, linter="name_case", message="better in lower case", table="orders",
                   file="orders.sql", line=3)  # fmt: skip
    api.engine.answer = result(change("orders"), change("notes", strategy=Strategy.INSTANT), findings=(note,))
    plan_id = api.post("/api/plan", _request()).json["plan_id"]
    answer = api.post("/api/apply", {"plan_id": plan_id, "environment": "staging", "options": options}).json
    claim = api.claim()
    api.store.advance(claim, [TaskMove(seq=0, state=State.RUNNING)])
    progress = TaskProgress(
        seq=0, rows_copied=412_345, rows_total=1_000_000, eta_seconds=95, rows_per_second=6_200, detail="copying rows"
    )  # fmt: skip
    api.store.record(claim, [progress], durable=True)
    return api.store.apply(answer["apply_id"])


def _request() -> dict[str, object]:
    files = {"main": {"files": {"orders.sql": "CREATE TABLE orders (id INTEGER PRIMARY KEY, c TEXT);"}}}
    return {"database": "shop", "environment": "staging", "type": "sqlite", "schema_files": files}


def test_the_fleet_shows_what_is_going_on_and_leads_to_it(api: Api, visit: Open, shot: Shot) -> None:
    apply = copying(api)
    page = visit()
    expect(page.get_by_role("progressbar").first).to_have_attribute("value", "41")
    expect(page.get_by_text("412,345 of 1,000,000 rows")).to_be_visible()
    shot(page, "fleet")
    page.get_by_role("link", name="shop · staging").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("shop · staging")
    assert page.url.endswith(f"#/apply/{apply.apply_uid}")


def test_an_empty_daemon_says_how_to_begin(visit: Open) -> None:
    expect(visit().get_by_text("schemabot plan -s schema -e staging")).to_be_visible()


def test_an_apply_shows_bars_ddl_findings_events_and_who_drove_it(api: Api, visit: Open, shot: Shot) -> None:
    apply = copying(api)
    page = visit(f"#/apply/{apply.apply_uid}")
    expect(page.get_by_text("6,200 rows/s · about 1 min 35 s left · copying rows")).to_be_visible()
    expect(page.locator(".sql-word", has_text="ALTER").first).to_be_visible()
    expect(page.get_by_text("orders.sql:3")).to_be_visible()
    expect(page.get_by_text("blocks writers for an instant").first).to_be_visible()
    expect(page.get_by_role("heading", name="What happened")).to_be_visible()
    expect(page.get_by_role("cell", name="worker", exact=True)).to_be_visible()
    shot(page, "apply")


def test_the_page_follows_by_itself(api: Api, visit: Open) -> None:
    plan_id = api.planned(change("orders"))["plan_id"]
    answer = api.post("/api/apply", {"plan_id": plan_id, "environment": "staging"}).json
    page = visit(f"#/apply/{answer['apply_id']}")
    expect(page.get_by_text("Waiting to start").first).to_be_visible()
    claim = api.claim()
    api.store.advance(claim, [TaskMove(seq=0, state=State.RUNNING)])
    expect(page.locator("h1 + .badge")).to_have_text("Running")
    api.store.complete(claim)
    expect(page.locator("h1 + .badge")).to_have_text("Completed")


def test_a_retry_says_why_and_when(api: Api, visit: Open, shot: Shot) -> None:
    api.applied(change("orders"))
    claim = api.claim()
    api.store.advance(claim, [TaskMove(seq=0, state=State.RUNNING)])
    api.store.retry_later(claim, 0, "the server runs read-only", 90.0)
    page = visit()
    expect(page.locator(".card .badge.yellow")).to_have_text("Retrying")
    expect(page.get_by_text("attempt 1 of 10, next in 1 min")).to_be_visible()
    page.get_by_role("link", name="shop · staging").click()
    expect(page.get_by_text("the server runs read-only").first).to_be_visible()
    shot(page, "retrying")


def test_a_command_is_confirmed_given_and_its_answer_shown(api: Api, visit: Open) -> None:
    plan_id = api.planned(change("orders"))["plan_id"]
    answer = api.post("/api/apply", {"plan_id": plan_id, "environment": "staging"}).json
    page = visit(f"#/apply/{answer['apply_id']}")
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="Back").click()
    assert api.store.apply(answer["apply_id"]).state is State.PENDING
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("dialog").get_by_role("button", name="Stop").click()
    expect(page.get_by_text("Stop: accepted.")).to_be_visible()
    expect(page.locator("h1 + .badge")).to_have_text("Stopped")
    assert api.store.apply(answer["apply_id"]).state is State.STOPPED
    page.get_by_role("button", name="Start again").click()
    page.get_by_role("dialog").get_by_role("button", name="Start again").press("Enter")
    expect(page.locator("h1 + .badge")).to_have_text("Waiting to start")


def test_text_from_a_database_is_text_whatever_it_looks_like(api: Api, visit: Open) -> None:
    plan_id = api.planned(change(HOSTILE, HOSTILE))["plan_id"]
    request = {
        "plan_id": plan_id,
        "environment": "staging",
        "caller": "<b>me</b>",
        "options": {"allow_unsafe": "true"},
    }
    answer = api.post("/api/apply", request).json
    assert answer.get("accepted"), answer
    page = visit(f"#/apply/{answer['apply_id']}")
    expect(page.get_by_role("heading", level=3).first).to_contain_text("<img src=x onerror=")
    assert page.locator("img").count() == 0
    assert page.title() == "Apply · SchemaBot"
    assert "\u202e" not in page.locator("main").inner_text()


def test_a_daemon_that_is_gone_is_said_and_waited_for(api: Api, visit: Open) -> None:
    page = visit(expect=("Failed to load resource",))
    expect(page.get_by_role("heading", name="Schema changes")).to_be_visible()
    page.route("**/api/**", lambda route: route.abort())
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.get_by_text("The daemon does not answer; trying again.")).to_be_visible()
    page.unroute("**/api/**")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.get_by_text("The daemon does not answer; trying again.")).to_be_hidden()


def test_a_phone_in_the_dark_sees_all_of_it(api: Api, visit: Open, shot: Shot) -> None:
    apply = copying(api)
    page = visit(f"#/apply/{apply.apply_uid}", viewport={"width": 360, "height": 740}, color_scheme="dark")
    expect(page.get_by_role("heading", name="Tables")).to_be_visible()
    shot(page, "phone-dark")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    ground = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert ground == "rgb(16, 21, 29)"


def test_the_keyboard_reaches_the_commands(api: Api, visit: Open) -> None:
    apply = copying(api)
    page = visit(f"#/apply/{apply.apply_uid}")
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    reached = []
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.textContent"))
    assert reached[0] == "Skip to the content"
    assert "Stop" in reached
    assert "Cancel" in reached


def test_nothing_but_our_own_files_may_run(api: Api, visit: Open) -> None:
    page = visit(expect=("Content Security Policy", "violates"))
    expect(page.get_by_role("heading", name="Schema changes")).to_be_visible()
    page.evaluate(
        "() => { const s = document.createElement('script'); s.textContent = 'window.owned = 1'; document.body.append(s); }"
    )
    assert page.evaluate("window.owned") is None
    policy = api.get("/").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
