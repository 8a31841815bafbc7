"""What a tool answers."""

from dataclasses import dataclass, field
from typing import Any, Literal

from .schema import to_json


@dataclass(frozen=True)
class Content:
    """One part of an answer: `value` is a text, a path, or bytes."""

    kind: Literal["text", "image", "file", "workspace-file"]
    value: str | bytes
    media_type: str = "text/plain"


@dataclass(frozen=True)
class Output:
    """A tool's answer in parts, for tools that answer with more than text or data.

    `Output().text("The chart:").image("image/png", data)`
    """

    content: list[Content] = field(default_factory=list)
    structured: str | None = None

    def text(self, text: str) -> "Output":
        return self._with(Content("text", text))

    def image(self, media_type: str, data: bytes) -> "Output":
        return self._with(Content("image", data, media_type))

    def file(self, media_type: str, data: bytes) -> "Output":
        return self._with(Content("file", data, media_type))

    def workspace_file(self, path: str, media_type: str) -> "Output":
        """A file of the workspace, which the host reads; the skill must be granted it."""
        return self._with(Content("workspace-file", path, media_type))

    def data(self, value: Any) -> "Output":
        """The answer as data as well, matching the tool's output schema."""
        return Output(self.content, to_json(value))

    def _with(self, part: Content) -> "Output":
        return Output([*self.content, part], self.structured)


def joined_text(content: list[Content]) -> str:
    """The text parts, joined by line feeds."""
    return "\n".join(str(part.value) for part in content if part.kind == "text")
