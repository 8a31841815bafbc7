"""The person, or the application, that started the run. For Experts."""

from typing import Any

from . import schema
from .host import host


def ask(tool_name: str, arguments: Any = None) -> str:
    """Calls one of the Expert's interactive tools.

    The answer may come days later: the run then starts again from the top, with all recorded answers. Raises
    `HostError`.
    """
    return host().ask(tool_name, schema.to_json({} if arguments is None else arguments))


def say(text: str) -> None:
    """Shows text while the run goes on."""
    host().say(text)
