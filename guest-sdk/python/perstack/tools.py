"""The tools of the Expert's own skills, delegates among them. For Experts."""

import itertools
from dataclasses import dataclass, field
from typing import Any

from .host import host
from .output import Content, joined_text

_numbers = itertools.count(1)


@dataclass(frozen=True)
class ToolDefinition:
    name: str
    description: str
    input_schema: dict[str, Any]
    title: str | None = None
    output_schema: dict[str, Any] | None = None


@dataclass(frozen=True)
class ToolCall:
    name: str
    arguments: Any = field(default_factory=dict)
    id: str = field(default_factory=lambda: f"call-{next(_numbers)}")


@dataclass(frozen=True)
class ToolResult:
    tool_call_id: str
    tool_name: str
    is_error: bool
    content: list[Content]

    @property
    def text(self) -> str:
        """The parts that are text, joined by line feeds."""
        return joined_text(self.content)


def list_tools() -> list[ToolDefinition]:
    """The tools that the Expert may call."""
    return host().list_tools()


def call(name: str, arguments: Any = None) -> ToolResult:
    """Calls one tool. A failure is a result with `is_error`."""
    return call_all([ToolCall(name, {} if arguments is None else arguments)])[0]


def call_all(calls: list[ToolCall]) -> list[ToolResult]:
    """Calls tools side by side; results are in the order of the calls."""
    return host().call_tools(calls)
