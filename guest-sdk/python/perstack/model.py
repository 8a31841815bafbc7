"""The language model that the run was started with. For Experts."""

from dataclasses import dataclass, field
from typing import Any, Literal

from . import schema
from .host import host
from .tools import ToolCall, ToolResult


@dataclass(frozen=True)
class Reply:
    """What the model said in one generation. `reasoning` is handed back unchanged on the next turn."""

    text: str = ""
    tool_calls: list[ToolCall] = field(default_factory=list)
    reasoning: str | None = None


@dataclass(frozen=True)
class Instruction:
    text: str


@dataclass(frozen=True)
class User:
    text: str


@dataclass(frozen=True)
class ToolResults:
    results: list[ToolResult]


Message = Instruction | User | Reply | ToolResults


@dataclass(frozen=True)
class Usage:
    """Tokens, as the provider counts them."""

    input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cached_input_tokens: int = 0


@dataclass(frozen=True)
class Generation:
    reply: Reply
    stop_reason: Literal["end-turn", "tool-calls", "max-tokens", "refusal"]
    usage: Usage = Usage()


def generate(messages: list[Message], tools: list[str] | None = None, respond_with: Any = None) -> Generation:
    """Generates one reply; one step of the run.

    `tools` are names of tools offered to the model; `respond_with` is a type that the text must be JSON of. Raises
    `HostError`.
    """
    response_schema = None if respond_with is None else schema.to_json(schema.of(respond_with).keywords)
    return host().generate(messages, tools or [], response_schema)
