"""`Refusal`: a request that gets an error, in the form of OpenAI's API."""

from typing import Any

from gcl.errors import GCLError

_KINDS = {401: "authentication_error", 429: "rate_limit_error"}


class Refusal(GCLError):
    """The reason why a request has no answer, for who sent it.

    Args:
        status: of HTTP.
        message: one line: what is wrong, where, and what to do.
        code: one word for programs.
        headers: further ones of the response.
    """

    def __init__(self, status: int, message: str, code: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.headers = status, code, headers or {}

    @property
    def body(self) -> dict[str, Any]:
        """For JSON."""
        kind = _KINDS.get(self.status, "invalid_request_error" if self.status < 500 else "server_error")
        return {"error": {"message": " ".join(str(self).split()), "type": kind, "code": self.code}}
