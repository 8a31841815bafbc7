"""The host behind the contract: what the component was linked with, or the double of `perstack.testing`."""

from typing import Any

_host: Any = None


def install(host: Any) -> None:
    """Makes this the host of everything that the SDK does."""
    global _host
    _host = host


def host() -> Any:
    if _host is None:
        raise RuntimeError("there is no host here: in a test, import `perstack.testing`")
    return _host
