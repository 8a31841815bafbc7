"""The host of unit tests, in memory: `with testing.host() as host: ...`.

State works as it is, and there is no model. What else the code uses, the test scripts first; what is not scripted raises,
and says what to set.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from . import host as installed
from .call import Context
from .delegates import Answer, Delegate, Delegation
from .errors import HostError
from .http import Request, Response
from .model import Generation, Message, Reply
from .output import Content
from .tools import ToolCall, ToolDefinition, ToolResult


@dataclass
class Host:
    """What a test scripts, and what it looks at afterwards."""

    #: What `user.ask` is answered, in order; a `HostError` is raised.
    answers: list[str | HostError] = field(default_factory=list)
    #: Variables that `env` finds.
    variables: dict[str, str] = field(default_factory=dict)
    #: Bytes of all keys and values in state.
    state_limit: int | None = None
    call_context: Context | None = None
    tools: list[ToolDefinition] | None = None
    delegates: list[Delegate] | None = None
    #: Answers calls of tools by name and arguments; what it raises is a result with `is_error`.
    on_tool_call: Callable[[str, Any], str] | None = None
    #: Plays the model: messages, names of tools, response schema.
    on_generate: Callable[[list[Message], list[str], str | None], Reply] | None = None
    #: Plays the delegates; what it raises is the error of the run.
    on_delegation: Callable[[str, str], str] | None = None
    #: Plays the network.
    on_request: Callable[[Request], Response] | None = None

    asked: list[tuple[str, Any]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    progress: list[tuple[str, float | None]] = field(default_factory=list)
    state: dict[tuple[str, str], bytes] = field(default_factory=dict)

    def _scripted(self, name: str, what: str) -> Any:
        found = getattr(self, name)
        if found is None:
            raise AssertionError(f"the test does not say {what}: set `{name}` of the host")
        return found

    def get_state(self, scope: str, key: str) -> bytes | None:
        return self.state.get((scope, key))

    def set_state(self, scope: str, key: str, value: bytes) -> None:
        entries = {**self.state, (scope, key): value}
        held = sum(len(key.encode()) + len(value) for (_, key), value in entries.items())
        if self.state_limit is not None and held > self.state_limit:
            raise HostError("quota-exceeded", "the skill holds as much state as it is allowed to")
        self.state = entries

    def delete_state(self, scope: str, key: str) -> None:
        self.state.pop((scope, key), None)

    def list_state_keys(self, scope: str) -> list[str]:
        return sorted(key for of, key in self.state if of == scope)

    def context(self) -> Context:
        return self._scripted("call_context", "which call is running")

    def environment(self) -> dict[str, str]:
        return self.variables

    def report_progress(self, message: str, fraction: float | None) -> None:
        self.progress.append((message, fraction))

    def send(self, request: Request) -> Response:
        return self._scripted("on_request", f"what is at {request.url}")(request)

    def ask(self, tool_name: str, arguments: str) -> str:
        self.asked.append((tool_name, json.loads(arguments)))
        if not self.answers:
            raise AssertionError(f"the test does not say what the user answers to `{tool_name}`: set `answers` of the host")
        answer = self.answers.pop(0)
        if isinstance(answer, HostError):
            raise answer
        return answer

    def say(self, text: str) -> None:
        self.said.append(text)

    def list_tools(self) -> list[ToolDefinition]:
        return self._scripted("tools", "which tools there are")

    def call_tools(self, calls: list[ToolCall]) -> list[ToolResult]:
        on_tool_call = self._scripted("on_tool_call", "what tools answer")

        def result(call: ToolCall) -> ToolResult:
            text, is_error = _answered(lambda: on_tool_call(call.name, call.arguments))
            return ToolResult(call.id, call.name, is_error, [Content("text", text)])

        return [result(call) for call in calls]

    def generate(self, messages: list[Message], tools: list[str], response_schema: str | None) -> Generation:
        if self.on_generate is None:
            raise HostError("no-model", "no model is configured for this run")
        reply = self.on_generate(messages, tools, response_schema)
        return Generation(reply, "tool-calls" if reply.tool_calls else "end-turn")

    def list_delegates(self) -> list[Delegate]:
        return self._scripted("delegates", "which delegates there are")

    def run_delegates(self, delegations: list[Delegation]) -> list[Answer]:
        on_delegation = self._scripted("on_delegation", "what delegates answer")
        return [Answer(*_answered(lambda: on_delegation(to.expert_key, to.query))) for to in delegations]


def _answered(call: Callable[[], str]) -> tuple[str, bool]:
    try:
        return call(), False
    except AssertionError:
        raise
    except Exception as error:
        return str(error), True


@contextmanager
def host(**scripted: Any) -> Iterator[Host]:
    """A host with these fields set, for as long as the block runs."""
    double = Host(**scripted)
    installed.install(double)
    try:
        yield double
    finally:
        installed.install(None)
