"""What a skill knows of the call that runs."""

from dataclasses import dataclass

from .host import host


@dataclass(frozen=True)
class Context:
    """The running call. For skills."""

    job_id: str
    run_id: str
    tool_call_id: str
    expert_key: str
    skill_name: str


def context() -> Context:
    """Which call is running."""
    return host().context()


def env(name: str) -> str | None:
    """A variable that was granted, a secret's placeholder among them. (`os.environ` is that of the build.)"""
    return host().environment().get(name)


def progress(message: str, fraction: float | None = None) -> None:
    """Reports what the call is doing and, if known, how much is done, from 0 to 1. Reports may be dropped."""
    host().report_progress(message, None if fraction is None else min(1.0, max(0.0, fraction)))
