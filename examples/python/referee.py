"""An Expert without a model: asks the user for the result of a game and has it recorded."""

from perstack import Input, expert, tools, user


@expert
def referee(input: Input) -> str:
    user.say(f"A game of {input.query}.")
    result = user.ask("askResult", {"question": "How did it end?"})
    recorded = tools.call("record", {"game": input.query, "result": result})
    if recorded.is_error:
        raise ValueError(f"the game was not recorded: {recorded.text}")
    return f"The score is {recorded.text}."
