"""A skill made with the contract and componentize-py alone."""

import json

from componentize_py_types import Err
from wit_world.imports import state, types


class Tools:
    def list_tools(self):
        hints = types.ToolHints.READ_ONLY
        return [types.ToolDefinition("plain_py", None, "Plain.", '{"type":"object"}', None, hints)]

    def call_tool(self, name, arguments):
        if json.loads(arguments).get("fail"):
            raise Err(types.ToolError_Denied("no"))
        keys = len(state.list_keys(state.Scope.RUN))
        return types.ToolOutput([types.Content_Text(f"{name} {keys}")], None)
