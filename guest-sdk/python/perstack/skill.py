"""Skills: tools with typed arguments."""

import dataclasses
import inspect
import json
import re
import typing
from dataclasses import dataclass
from typing import Any, Callable

from . import schema
from .errors import ToolError
from .output import Output
from .schema import NO_DEFAULT, Field, Misfit, Type

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True)
class Hints:
    """What the model may assume about a tool. Hints never grant anything."""

    read_only: bool = False
    destructive: bool = False
    idempotent: bool = False
    open_world: bool = False


@dataclass(frozen=True)
class Tool:
    """One tool, as the model sees it."""

    name: str
    title: str | None
    description: str
    arguments: Type
    answer: Type | None
    hints: Hints
    run: Callable[..., Any]

    @property
    def input_schema(self) -> str:
        return schema.to_json(self.arguments.keywords)

    @property
    def output_schema(self) -> str | None:
        return None if self.answer is None else schema.to_json(self.answer.keywords)


class Skill:
    """A set of tools, and what they need at the most; nothing else is ever given where something is said.

    ::

        skill = Skill(network=["https://api.example.com"], secrets={"KEY": ["api.example.com"]})

        @skill.tool(read_only=True)
        def greet(name: Annotated[str, "Who is greeted"]) -> str:
            \"\"\"Says hello.\"\"\"
            return f"Hello, {name}!"
    """

    def __init__(
        self,
        *,
        network: list[str] | None = None,
        secrets: dict[str, list[str]] | None = None,
        env: list[str] | None = None,
        read: list[str] | None = None,
        write: list[str] | None = None,
    ) -> None:
        self.tools: dict[str, Tool] = {}
        self.needs = _needs(network, secrets, env, read, write)

    def tool(
        self,
        function: Callable[..., Any] | None = None,
        *,
        name: str | None = None,
        title: str | None = None,
        read_only: bool = False,
        destructive: bool = False,
        idempotent: bool = False,
        open_world: bool = False,
    ) -> Any:
        """Makes a function a tool. Its doc string is the description, its type hints are the arguments."""
        hints = Hints(read_only, destructive, idempotent, open_world)

        def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
            tool = _tool(function, name or function.__name__, title, hints)
            if tool.name in self.tools:
                raise TypeError(f"there are two tools `{tool.name}`")
            self.tools[tool.name] = tool
            return function

        return decorate if function is None else decorate(function)

    def call(self, name: str, arguments: str) -> Output:
        """Calls a tool with the JSON text of its arguments.

        Raises `ToolError`.
        """
        tool = self.tools.get(name)
        if tool is None:
            raise ToolError(f"the skill has no tool `{name}`")
        values = _read_arguments(tool, arguments)
        try:
            return _finish(tool, tool.run(**values))
        except ToolError:
            raise
        except Exception as error:
            raise ToolError(str(error) or type(error).__name__) from error


def _tool(function: Callable[..., Any], name: str, title: str | None, hints: Hints) -> Tool:
    if not NAME.fullmatch(name):
        raise TypeError(f"`{name}` names no tool: 1 to 64 of `a-z A-Z 0-9 _ -`")
    description = inspect.getdoc(function)
    if not description:
        raise TypeError(f"the tool `{name}` has no doc string, which tells the model what it does")
    types = typing.get_type_hints(function, include_extras=True)
    fields = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise TypeError(f"the tool `{name}` takes `{parameter}`, which a model cannot name")
        if parameter.name not in types:
            raise TypeError(f"the argument `{parameter.name}` of the tool `{name}` has no type hint")
        kind = schema.of(types[parameter.name])
        fields.append(Field(parameter.name, kind, _default(parameter, kind)))
    returned = types.get("return")
    answer = schema.of(returned) if dataclasses.is_dataclass(returned) and returned is not Output else None
    return Tool(name, title, description, schema.closed(fields, ""), answer, hints, function)


def _default(parameter: inspect.Parameter, kind: Type) -> Any:
    if parameter.default is not parameter.empty:
        text = schema.to_json(parameter.default)
        # New for each call, so that none sees what another did to a list.
        return lambda: kind.read(json.loads(text))
    return (lambda: None) if isinstance(kind.keywords.get("type"), list) else NO_DEFAULT


def _read_arguments(tool: Tool, arguments: str) -> dict[str, Any]:
    try:
        value = schema.parse(arguments)
    except ValueError as error:
        raise ToolError.invalid_arguments(f"the arguments are not JSON: {error}") from None
    try:
        return tool.arguments.read(value)
    except Misfit as misfit:
        subject = f"the argument `{misfit.path}`" if misfit.path else "the object of arguments"
        raise ToolError.invalid_arguments(f"{subject} {misfit}") from None


def _finish(tool: Tool, answer: Any) -> Output:
    if isinstance(answer, Output):
        return answer
    # A model takes an empty answer for a failure.
    if answer is None:
        return Output().text("Done")
    if isinstance(answer, str):
        return Output().text(answer)
    try:
        text = schema.to_json(answer)
    except (TypeError, ValueError) as error:
        raise ToolError(f"the answer has no JSON form: {error}") from None
    if tool.answer is None:
        return Output().text(text)
    try:
        tool.answer.read(schema.parse(text))
    except Misfit as misfit:
        raise ToolError(f"the tool's own answer does not fit its type: `{misfit.path.lstrip('.')}` {misfit}") from None
    return Output().text(text).data(answer)


def _needs(
    network: list[str] | None,
    secrets: dict[str, list[str]] | None,
    env: list[str] | None,
    read: list[str] | None,
    write: list[str] | None,
) -> str | None:
    """What the skill needs, as `capabilities` of `perstack.toml` have it; nothing where nothing is said."""
    if all(said is None for said in (network, secrets, env, read, write)):
        return None

    def paths(access: str, paths: list[str] | None) -> list[str]:
        return [f'{{ path = {json.dumps(path)}, access = "{access}" }}' for path in paths or []]

    hosts = [f"{json.dumps(name)} = {json.dumps(hosts)}" for name, hosts in (secrets or {}).items()]
    return (
        f"network = {json.dumps(network or [])}\nenv = {json.dumps(env or [])}\n"
        f"filesystem = [{', '.join(paths('read', read) + paths('write', write))}]\n"
        f"secrets = {{ {', '.join(hosts)} }}\n"
    )
