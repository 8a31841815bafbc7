"""HTTPS to what the skill was granted, and nothing else. For skills."""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit

from . import schema
from .errors import ToolError
from .host import host

#: As browsers do.
MAX_REDIRECTS = 20


@dataclass(frozen=True)
class Request:
    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Response:
    """An answer; the names of its headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes
    url: str = ""

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def text(self) -> str:
        return self.body.decode(errors="replace")

    def json(self) -> Any:
        return schema.parse(self.body)


def get(url: str, headers: dict[str, str] | None = None) -> Response:
    """Asks for what is at `url`."""
    return request("GET", url, headers)


def request(
    method: str, url: str, headers: dict[str, str] | None = None, body: str | bytes = b"", *, redirects: int = MAX_REDIRECTS
) -> Response:
    """Sends a request, and follows so many redirects; with 0 they are answers like others.

    Raises `ToolError`: `denied` where the host is not granted, `failed` where there is no answer.
    """
    sent = {name.lower(): value for name, value in (headers or {}).items()}
    wanted = Request(method.upper(), url, sent, body.encode() if isinstance(body, str) else body)
    for left in range(redirects, -1, -1):
        response = host().send(wanted)
        location = response.headers.get("location")
        if response.status not in (301, 302, 303, 307, 308) or location is None or redirects == 0:
            return response
        wanted = _redirected(wanted, response.status, urljoin(wanted.url, location))
    raise ToolError(f"{urlsplit(url).netloc} redirects without end")


def _redirected(request: Request, status: int, url: str) -> Request:
    method, headers, body = request.method, dict(request.headers), request.body
    if (status == 303 and method not in ("GET", "HEAD")) or (status < 303 and method == "POST"):
        method, body = "GET", b""
        headers = {name: value for name, value in headers.items() if not name.startswith("content-")}
    # What says who asks is for the host that it was said to.
    if urlsplit(url)[:2] != urlsplit(request.url)[:2]:
        headers = {name: value for name, value in headers.items() if name not in ("authorization", "cookie")}
    return Request(method, url, headers, body)
