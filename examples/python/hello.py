from typing import Annotated

from perstack import Skill

skill = Skill()


@skill.tool(read_only=True)
def greet(name: Annotated[str, "Who is greeted"]) -> str:
    """Says hello."""
    return f"Hello, {name}!"
