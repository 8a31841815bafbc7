import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { delegates, expert, model, tools, user } from "perstack";
import { answer, asked, onDelegation, onGenerate, onToolCall, refuseToAsk, reset, run, said } from "perstack/testing";

beforeEach(reset);

test("an Expert asks, says and calls", async () => {
  const greeter = expert(async ({ query }) => {
    const name = user.ask("askName", { query });
    user.say(`Hello, ${name}!`);
    return tools.callAll([{ name: "visits", arguments: { name } }, { name: "other" }])
      .map(({ isError, text }) => `${isError} ${text}`)
      .join("; ");
  });
  answer("Ada");
  onToolCall((name, { name: who }) => {
    if (name !== "visits") throw new Error(`no tool \`${name}\``);
    return `${who} was here`;
  });
  assert.equal(await run(greeter, "hi"), "false Ada was here; true no tool `other`");
  assert.deepEqual([asked(), said()], [[{ tool: "askName", arguments: { query: "hi" } }], ["Hello, Ada!"]]);
  await assert.rejects(run(greeter, "hi"), /script it with `answer`/);
  refuseToAsk("unknown-tool", "askName");
  await assert.rejects(run(greeter, "hi"), { message: "the Expert has no interactive tool `askName`" });
});

test("an Expert's answer is text", async () => {
  await assert.rejects(run(expert(() => 7), ""), { message: "the Expert's answer is not text" });
});

test("the model is a host's as well", () => {
  const messages = [{ instruction: "Be brief." }, { user: "Hi" }];
  assert.throws(() => model.generate({ messages }), { code: "no-model", message: "no model is configured for this run" });
  onGenerate(({ messages }) => ({ toolCalls: [{ id: "1", name: messages[1].val[0].val, arguments: { a: 1 } }] }));
  const { toolCalls, stopReason, text } = model.generate({ messages });
  assert.deepEqual([toolCalls, stopReason, text], [[{ id: "1", name: "Hi", arguments: { a: 1 } }], "tool-calls", ""]);
  const results = [{ toolCallId: "1", toolName: "x", isError: false, content: [], text: "" }];
  model.generate({ messages: [...messages, { expert: { toolCalls } }, { toolResults: results }] });
  assert.throws(() => model.generate({ messages: [{ system: "x" }] }), /a message is one of `instruction`/);
});

test("delegates answer or fail", () => {
  onDelegation((key, query) => {
    if (key === "b") throw new Error("busy");
    return `${key}: ${query}`;
  });
  const both = delegates.run([{ expertKey: "a", query: "q" }, { expertKey: "b", query: "q" }]);
  assert.deepEqual(both, [{ answer: "a: q" }, { error: "busy" }]);
});
