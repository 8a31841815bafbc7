"""Errors that a model is told, or that the host answered with."""

from typing import Literal


class ToolError(Exception):
    """Why a tool call failed. The model reads the text, and may correct itself and call again.

    Any other exception that a tool raises is `failed`.
    """

    def __init__(self, text: str, kind: Literal["invalid-arguments", "denied", "failed"] = "failed") -> None:
        super().__init__(text)
        self.kind = kind

    @classmethod
    def invalid_arguments(cls, text: str) -> "ToolError":
        """The arguments do not fit; the text says which and why."""
        return cls(text, "invalid-arguments")

    @classmethod
    def denied(cls, text: str) -> "ToolError":
        """The skill lacks a capability; the text names it."""
        return cls(text, "denied")


class HostError(Exception):
    """What the host answered in place of a value; `code` is the contract's word, such as `quota-exceeded`."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
