"""A skill behind the contract's `tools`."""

from typing import Any

from componentize_py_types import Err
from wit_world.imports import call_context, environment, progress
from wit_world.imports import perstack_plugin_types as wit

from .. import host
from ..call import Context
from ..errors import ToolError
from ..http import Request, Response
from ..skill import Skill
from . import contents
from .common import StateHost, reseed
from .exchange import exchange

_KINDS = {
    "invalid-arguments": wit.ToolError_InvalidArguments,
    "denied": wit.ToolError_Denied,
    "failed": wit.ToolError_Failed,
}


class SkillHost(StateHost):
    def context(self) -> Context:
        running = call_context.get()
        return Context(running.job_id, running.run_id, running.tool_call_id, running.expert_key, running.skill_name)

    def environment(self) -> dict[str, str]:
        return dict(environment.get_environment())

    def report_progress(self, message: str, fraction: float | None) -> None:
        progress.report(message, fraction)

    def send(self, request: Request) -> Response:
        return exchange(request)


def tools_of(skill: Skill) -> type:
    """The class that componentize-py looks for."""
    host.install(SkillHost())

    class Tools:
        def list_tools(self) -> list[Any]:
            return [_definition(tool) for tool in skill.tools.values()]

        def call_tool(self, name: str, arguments: str) -> Any:
            reseed()
            try:
                output = skill.call(name, arguments)
            except ToolError as error:
                raise Err(_KINDS[error.kind](str(error))) from None
            return wit.ToolOutput([contents.lower(part, wit) for part in output.content], output.structured)

    return Tools


def _definition(tool: Any) -> Any:
    hints = wit.ToolHints(0)
    for name, flag in (
        ("read_only", wit.ToolHints.READ_ONLY),
        ("destructive", wit.ToolHints.DESTRUCTIVE),
        ("idempotent", wit.ToolHints.IDEMPOTENT),
        ("open_world", wit.ToolHints.OPEN_WORLD),
    ):
        if getattr(tool.hints, name):
            hints |= flag
    return wit.ToolDefinition(tool.name, tool.title, tool.description, tool.input_schema, tool.output_schema, hints)
