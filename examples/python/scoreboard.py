"""Keeps the score of games between an Expert and its user, for the whole workspace."""

from dataclasses import dataclass
from typing import Annotated, Literal

from perstack import Arg, Skill, state

skill = Skill()

Game = Annotated[str, Arg("The kind of game, such as `chess`", min=1, max=64)]
Count = Annotated[int, Arg(min=0)]


@dataclass
class Totals:
    """The score of all games of one kind."""

    expert_won: Annotated[Count, "Games that the Expert won"] = 0
    drawn: Annotated[Count, "Games that nobody won"] = 0
    user_won: Annotated[Count, "Games that the user won"] = 0


@skill.tool(title="Record a game")
def record(game: Game, result: Annotated[Literal["expert-won", "draw", "user-won"], "How it ended"]) -> Totals:
    """Records how a game ended, and gives the score of all games of that kind."""
    score = totals(game)
    match result:
        case "expert-won":
            score.expert_won += 1
        case "draw":
            score.drawn += 1
        case "user-won":
            score.user_won += 1
    state.workspace.set(f"score/{game}", score)
    return score


@skill.tool(title="Read the score", read_only=True, idempotent=True)
def totals(game: Game) -> Totals:
    """Gives the score of all games of one kind."""
    return state.workspace.get(f"score/{game}", Totals) or Totals()
