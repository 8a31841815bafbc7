"""What skills and Experts ask of their host alike."""

import os
import random
from typing import Any

from componentize_py_types import Err
from wit_world.imports import state

from ..errors import HostError


def reseed() -> None:
    """Makes random numbers differ from call to call: a component starts each time as it was built."""
    random.seed(os.urandom(32))


def failure(error: Err[Any], texts: dict[str, str]) -> HostError:
    """An error of the contract. componentize-py names the class of a case `Error_NoModel`."""
    name = type(error.value).__name__.removeprefix("Error_")
    code = "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("-")
    value = getattr(error.value, "value", "")
    return HostError(code, texts.get(code, "{}").format(value))


class StateHost:
    """The contract's `state`."""

    def _use(self, call: Any, scope: str, *more: Any) -> Any:
        try:
            return call(state.Scope[scope.upper()], *more)
        except Err as error:
            raise failure(error, {"quota-exceeded": "the skill holds as much state as it is allowed to"}) from None

    def get_state(self, scope: str, key: str) -> bytes | None:
        return self._use(state.get, scope, key)

    def set_state(self, scope: str, key: str, value: bytes) -> None:
        self._use(state.set, scope, key, value)

    def delete_state(self, scope: str, key: str) -> None:
        self._use(state.delete, scope, key)

    def list_state_keys(self, scope: str) -> list[str]:
        return self._use(state.list_keys, scope)
