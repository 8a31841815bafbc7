// Keeps the score of games between an Expert and its user, for the whole workspace.

import { skill, state, t, tool } from "perstack";

const game = t.string({ description: "The kind of game, such as `chess`", min: 1, max: 64 });
const OUTCOMES = { "expert-won": "expertWon", draw: "drawn", "user-won": "userWon" };
const count = (description) => t.integer({ description, min: 0 });
const totals = {
  expertWon: count("Games that the Expert won"),
  drawn: count("Games that nobody won"),
  userWon: count("Games that the user won"),
};

const read = (game) => state.workspace.get(`score/${game}`, t.object(totals)) ?? { expertWon: 0, drawn: 0, userWon: 0 };

const record = tool(
  {
    name: "record",
    title: "Record a game",
    description: "Records how a game ended, and gives the score of all games of that kind.",
    input: { game, result: t.enum(Object.keys(OUTCOMES), "How it ended") },
    output: totals,
  },
  ({ game, result }) => {
    const score = read(game);
    score[OUTCOMES[result]] += 1;
    state.workspace.set(`score/${game}`, score);
    return score;
  },
);

const readTotals = tool(
  {
    name: "totals",
    title: "Read the score",
    description: "Gives the score of all games of one kind.",
    readOnly: true,
    idempotent: true,
    input: { game },
    output: totals,
  },
  ({ game }) => read(game),
);

export default skill({ tools: [record, readTotals] });
