import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { state } from "perstack";
import { answer, call, onToolCall, reset, run, said } from "perstack/testing";

import hello from "../src/hello.js";
import referee from "../src/referee.js";
import scoreboard from "../src/scoreboard.js";

beforeEach(reset);

test("greets", async () => {
  assert.equal((await call(hello, "greet", { name: "Ada" })).text, "Hello, Ada!");
  await assert.rejects(call(hello, "greet", {}), { message: "the argument `name` is missing" });
});

test("keeps each game apart", async () => {
  for (const result of ["user-won", "draw"]) await call(scoreboard, "record", { game: "chess", result });
  const { data } = await call(scoreboard, "totals", { game: "chess" });
  assert.deepEqual(data, { expertWon: 0, drawn: 1, userWon: 1 });
  assert.deepEqual((await call(scoreboard, "totals", { game: "go" })).data, { expertWon: 0, drawn: 0, userWon: 0 });
});

test("says so when the stored score is corrupt", async () => {
  state.workspace.set("score/go", { expertWon: -1, drawn: 0, userWon: 0 });
  await assert.rejects(call(scoreboard, "totals", { game: "go" }), {
    kind: "failed",
    message: "the state under `score/go` does not fit: `expertWon` must be at least 0, not -1",
  });
});

test("asks for the result and has it recorded", async () => {
  answer("draw");
  onToolCall((name, args) => `${name} ${args.game} ${args.result}`);
  assert.equal(await run(referee, "chess"), "The score is record chess draw.");
  assert.deepEqual(said(), ["A game of chess."]);
});
