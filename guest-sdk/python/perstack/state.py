"""State that outlives a call, of a run, a job, or the workspace. Its functions raise `HostError`."""

from typing import Any

from . import schema
from .errors import HostError
from .host import host


class State:
    """The entries of one scope. A skill gets a fresh instance for each call: what it must remember it keeps here."""

    def __init__(self, scope: str) -> None:
        self._scope = scope

    def get_bytes(self, key: str) -> bytes | None:
        """The bytes under a key."""
        return host().get_state(self._scope, key)

    def set_bytes(self, key: str, value: bytes) -> None:
        """Stores bytes under a key, in place of what was there."""
        host().set_state(self._scope, key, value)

    def get(self, key: str, hint: Any = Any) -> Any:
        """The value under a key, from JSON, which must fit the type `hint`."""
        stored = self.get_bytes(key)
        if stored is None:
            return None
        try:
            return schema.of(hint).read(schema.parse(stored))
        except (schema.Misfit, ValueError) as error:
            path = getattr(error, "path", "").lstrip(".")
            where = f"`{path}` " if path else ""
            raise HostError("unreadable", f"the state under `{key}` does not fit: {where}{error}") from None

    def set(self, key: str, value: Any) -> None:
        """Stores a value under a key, as JSON."""
        self.set_bytes(key, schema.to_json(value).encode())

    def delete(self, key: str) -> None:
        """Removes a key. One that is not there is no error."""
        host().delete_state(self._scope, key)

    def keys(self) -> list[str]:
        """All keys, sorted."""
        return host().list_state_keys(self._scope)


run = State("run")
job = State("job")
workspace = State("workspace")
