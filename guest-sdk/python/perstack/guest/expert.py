"""An Expert behind the contract's `logic`."""

import json
from typing import Any

from componentize_py_types import Err, Ok
from wit_world.imports import delegates, model, toolbox, user
from wit_world.imports import types as wit

from .. import host, schema
from ..delegates import Answer, Delegate, Delegation
from ..expert import Expert, Input
from ..model import Generation, Instruction, Message, Reply, ToolResults, Usage, User
from ..tools import ToolCall, ToolDefinition, ToolResult
from . import contents
from .common import StateHost, failure, reseed


class ExpertHost(StateHost):
    def ask(self, tool_name: str, arguments: str) -> str:
        try:
            return user.ask(tool_name, arguments)
        except Err as error:
            texts = {
                "not-coordinator": "only a job's first Expert may ask the user",
                "unknown-tool": "the Expert has no interactive tool `{}`",
            }
            raise failure(error, texts) from None

    def say(self, text: str) -> None:
        user.say(text)

    def list_tools(self) -> list[ToolDefinition]:
        def read(tool: Any) -> ToolDefinition:
            output_schema = None if tool.output_schema is None else json.loads(tool.output_schema)
            return ToolDefinition(tool.name, tool.description, json.loads(tool.input_schema), tool.title, output_schema)

        return [read(tool) for tool in toolbox.list_tools()]

    def call_tools(self, calls: list[ToolCall]) -> list[ToolResult]:
        return [_lift_result(result) for result in toolbox.call_tools([_lower_call(call) for call in calls])]

    def generate(self, messages: list[Message], tools: list[str], response_schema: str | None) -> Generation:
        request = model.Request([_lower_message(message) for message in messages], tools, response_schema)
        try:
            made = model.generate(request)
        except Err as error:
            raise failure(error, {"no-model": "no model is configured for this run"}) from None
        said, used = made.reply, made.usage
        calls = [ToolCall(call.name, json.loads(call.arguments), call.id) for call in said.tool_calls]
        usage = Usage(used.input_tokens, used.output_tokens, used.reasoning_tokens, used.cached_input_tokens)
        return Generation(Reply(said.text, calls, said.reasoning), made.stop_reason.name.lower().replace("_", "-"), usage)

    def list_delegates(self) -> list[Delegate]:
        return [Delegate(delegate.expert_key, delegate.description) for delegate in delegates.list_delegates()]

    def run_delegates(self, delegations: list[Delegation]) -> list[Answer]:
        lowered = [delegates.Delegation(to.expert_key, to.query) for to in delegations]
        return [Answer(answer.value, not isinstance(answer, Ok)) for answer in delegates.run_delegates(lowered)]


def _lower_call(call: ToolCall) -> Any:
    return model.ToolCall(call.id, call.name, schema.to_json(call.arguments))


def _lift_result(result: Any) -> ToolResult:
    content = [contents.lift(part, wit) for part in result.content]
    return ToolResult(result.tool_call_id, result.tool_name, result.is_error, content)


def _lower_message(message: Message) -> Any:
    match message:
        case Instruction(text):
            return model.Message_Instruction(text)
        case User(text):
            return model.Message_User([wit.Content_Text(text)])
        case Reply(text, calls, reasoning):
            return model.Message_Expert(model.Reply(reasoning, text, [_lower_call(call) for call in calls]))
        case ToolResults(results):
            return model.Message_ToolResults([_lower_result(result) for result in results])


def _lower_result(result: ToolResult) -> Any:
    content = [contents.lower(part, wit) for part in result.content]
    return model.ToolResult(result.tool_call_id, result.tool_name, result.is_error, content)


def logic_of(expert: Expert) -> type:
    """The class that componentize-py looks for."""
    host.install(ExpertHost())

    class Logic:
        def run(self, input: Any) -> str:
            reseed()
            try:
                return expert.run(Input(input.query, input.instruction, list(input.history)))
            except Exception as error:
                raise Err(str(error) or type(error).__name__) from None

    return Logic
