"""GitHub's webhook: this build has no GitHub App, and says so as the original does without one."""

from server.api.answers import Answer, Reply
from server.app import App
from server.requests import Request


def webhook(_app: App, _request: Request) -> Answer:
    """Refuse every delivery."""
    text = "GitHub App credentials not available — webhook endpoint is disabled"
    return Reply(503, {"error": text, "error_code": ""})
