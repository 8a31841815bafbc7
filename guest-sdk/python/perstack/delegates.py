"""Other Experts that this one may hand work to. For Experts."""

from dataclasses import dataclass

from .host import host


@dataclass(frozen=True)
class Delegate:
    expert_key: str
    description: str


@dataclass(frozen=True)
class Delegation:
    """Work for a delegate; `query` is all that it is told."""

    expert_key: str
    query: str


@dataclass(frozen=True)
class Answer:
    text: str
    #: The run failed, and the text says why.
    is_error: bool = False


def list_delegates() -> list[Delegate]:
    """Who there is."""
    return host().list_delegates()


def run(delegations: list[Delegation]) -> list[Answer]:
    """Runs each as its own run of the job, side by side; answers are in order."""
    return host().run_delegates(delegations)
