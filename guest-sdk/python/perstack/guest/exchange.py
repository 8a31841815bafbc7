"""One HTTP request over `wasi:http`."""

from typing import Any
from urllib.parse import urlsplit

from componentize_py_types import Err, Ok
from wit_world.imports import outgoing_handler, streams
from wit_world.imports import wasi_http_types as http

from ..errors import ToolError
from ..http import Request, Response

#: The most that the host takes, and gives, at once.
WRITE_CHUNK = 4096
READ_CHUNK = 64 * 1024

_METHODS = {
    name.upper(): getattr(http, f"Method_{name.capitalize()}")
    for name in ("get", "head", "post", "put", "delete", "connect", "options", "trace", "patch")
}


def exchange(request: Request) -> Response:
    """Sends a request, and reads the whole answer."""
    host = urlsplit(request.url).netloc
    try:
        return _receive(request.url, _send(request))
    except Err as error:
        raise _failure(host, error.value) from None


def _send(request: Request) -> Any:
    url = urlsplit(request.url)
    fields = http.Fields()
    for name, value in request.headers.items():
        fields.append(name, value.encode())
    outgoing = http.OutgoingRequest(fields)
    outgoing.set_method(_METHODS[request.method]() if request.method in _METHODS else http.Method_Other(request.method))
    schemes = {"https": http.Scheme_Https, "http": http.Scheme_Http}
    outgoing.set_scheme(schemes[url.scheme]() if url.scheme in schemes else http.Scheme_Other(url.scheme))
    outgoing.set_authority(url.netloc)
    outgoing.set_path_with_query((url.path or "/") + (f"?{url.query}" if url.query else ""))
    body = outgoing.body()
    future = outgoing_handler.handle(outgoing, None)
    with body.write() as stream:
        for start in range(0, len(request.body), WRITE_CHUNK):
            stream.blocking_write_and_flush(request.body[start : start + WRITE_CHUNK])
    http.OutgoingBody.finish(body, None)
    return future


def _receive(url: str, future: Any) -> Response:
    with future, future.subscribe() as ready:
        ready.block()
        answer = future.get()
    match answer:
        case Ok(Ok(incoming)):
            pass
        case Ok(Err(error)) | Err(error):
            raise Err(error)
    with incoming:
        with incoming.headers() as fields:
            headers: dict[str, str] = {}
            for name, value in fields.entries():
                text = bytes(value).decode(errors="replace")
                headers[name.lower()] = f"{headers[name.lower()]}, {text}" if name.lower() in headers else text
        body = incoming.consume()
        with body, body.stream() as stream:
            return Response(incoming.status(), headers, _read(stream), url)


def _read(stream: Any) -> bytes:
    chunks = []
    while True:
        try:
            chunks.append(bytes(stream.blocking_read(READ_CHUNK)))
        except Err as error:
            if isinstance(error.value, streams.StreamError_Closed):
                return b"".join(chunks)
            raise


def _failure(host: str, reason: Any) -> ToolError:
    """The error of a request; its text is for a model."""
    if isinstance(reason, http.ErrorCode_HttpRequestDenied):
        return ToolError.denied(f"the request to {host} was refused")
    name = type(reason).__name__.removeprefix("ErrorCode_")
    more = getattr(reason, "value", None)
    return ToolError(f"the request to {host} failed: {name}{f': {more}' if isinstance(more, str) else ''}")
