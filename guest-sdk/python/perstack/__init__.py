"""What skills and Experts are made of."""

from . import delegates, http, model, state, tools, user
from .call import Context, context, env, progress
from .errors import HostError, ToolError
from .expert import Expert, Input, expert
from .output import Output
from .schema import Arg
from .skill import Skill

__all__ = [
    "Arg", "Context", "Expert", "HostError", "Input", "Output", "Skill", "ToolError",
    "context", "delegates", "env", "expert", "http", "model", "progress", "state", "tools", "user",
]  # fmt: skip
