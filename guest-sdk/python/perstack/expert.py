"""An Expert's own logic."""

from dataclasses import dataclass, field
from typing import Callable


@dataclass(frozen=True)
class Input:
    """What an Expert is given."""

    query: str
    #: The Expert's `instruction`; empty where it has none.
    instruction: str = ""
    #: Queries and answers of the job's earlier runs of this Expert, oldest first.
    history: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Expert:
    """A function from what an Expert is given to its answer. What it raises is the error of the run."""

    run: Callable[[Input], str]

    def __call__(self, input: Input | str) -> str:
        return self.run(Input(input) if isinstance(input, str) else input)


def expert(function: Callable[[Input], str]) -> Expert:
    """Makes a function an Expert."""
    return Expert(function)
