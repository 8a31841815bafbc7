// An Expert without a model: asks the user for the result of a game and has it recorded.

import { expert, tools, user } from "perstack";

export default expert(({ query }) => {
  user.say(`A game of ${query}.`);
  const result = user.ask("askResult", { question: "How did it end?" });
  const { isError, text } = tools.call("record", { game: query, result });
  if (isError) throw new Error(`the game was not recorded: ${text}`);
  return `The score is ${text}.`;
});
