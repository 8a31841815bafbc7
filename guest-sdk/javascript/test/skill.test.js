import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { HostError, Output, ToolError, context, env, progress, skill, state, t, tool } from "perstack";
import { call, limitState, onFetch, progressReports, reset, setContext, setEnv } from "perstack/testing";

beforeEach(reset);

const INPUT = {
  text: t.string({ description: "Some text", min: 1, max: 3 }),
  count: t.integer({ min: 1, max: 14, default: 3 }),
  ratio: t.optional(t.number()),
  kind: t.optional(t.enum(["a", "b"])),
  places: t.array(t.object({ name: t.string(), here: t.boolean({ default: false }) }), { max: 2, default: [] }),
  extra: t.record(t.any(), { default: {} }),
};

const echo = skill({ tools: [tool({ name: "echo", description: "Echoes.", input: INPUT }, (args) => args)] });
const refused = (args) => call(echo, "echo", args).then(
  ({ text }) => assert.fail(text),
  (error) => {
    assert.equal(error.kind, "invalid-arguments");
    return error.message;
  },
);

test("a schema says what the checks check", () => {
  const [{ inputSchema, outputSchema, hints }] = echo.listTools();
  assert.deepEqual(JSON.parse(inputSchema), {
    type: "object",
    properties: {
      text: { description: "Some text", type: "string", minLength: 1, maxLength: 3 },
      count: { type: "integer", minimum: 1, maximum: 14, default: 3 },
      ratio: { type: ["number", "null"] },
      kind: { type: ["string", "null"], enum: ["a", "b", null] },
      places: {
        type: "array",
        maxItems: 2,
        items: {
          type: "object",
          properties: { name: { type: "string" }, here: { type: "boolean", default: false } },
          required: ["name"],
          additionalProperties: false,
        },
        default: [],
      },
      extra: { type: "object", additionalProperties: {}, default: {} },
    },
    required: ["text"],
    additionalProperties: false,
  });
  assert.equal(outputSchema, null);
  assert.deepEqual(hints, { readOnly: false, destructive: false, idempotent: false, openWorld: false });
});

test("arguments come checked, with defaults", async () => {
  const { text } = await call(echo, "echo", { text: "äöü", places: [{ name: "x" }], ratio: null });
  assert.deepEqual(JSON.parse(text), { text: "äöü", count: 3, places: [{ name: "x", here: false }], extra: {} });
  // A default is not shared by calls.
  const spoiled = skill({
    tools: [tool({ name: "t", description: "", input: { list: t.array(t.string(), { default: [] }) } }, ({ list }) => list.push("x"))],
  });
  assert.equal((await call(spoiled, "t")).text, "1");
  assert.equal((await call(spoiled, "t")).text, "1");
});

test("what does not fit is told by field and reason", async () => {
  for (const [args, reason] of [
    ["{", /^the arguments are not JSON: /],
    ["[]", "the object of arguments must be an object, not an array"],
    [{}, "the argument `text` is missing"],
    [{ text: "a", x: 1 }, "the object of arguments has no `x`: there are `text`, `count`, `ratio`, `kind`, `places`, `extra`"],
    ['{"text":"a","__proto__":{}}', /has no `__proto__`/],
    ['{"text":"a","toString":{}}', /has no `toString`/],
    [{ text: 7 }, "the argument `text` must be a string, not 7"],
    [{ text: "" }, "the argument `text` must have at least 1 character, not 0"],
    [{ text: "abcd" }, "the argument `text` must have at most 3 characters, not 4"],
    [{ text: "a", count: 1.5 }, "the argument `count` must be an integer, not 1.5"],
    [{ text: "a", count: 15 }, "the argument `count` must be at most 14, not 15"],
    [{ text: "a", count: "3" }, 'the argument `count` must be an integer, not "3"'],
    ['{"text":"a","count":1e400}', "the argument `count` must be an integer, not null"],
    [{ text: "a", kind: "c" }, 'the argument `kind` must be one of `a`, `b`, not "c"'],
    [{ text: "a", places: [{ name: "x" }, { name: null }] }, "the argument `places[1].name` must be a string, not null"],
    [{ text: "a", places: [{}] }, "the argument `places[0].name` is missing"],
    [{ text: "a", places: [1, 2, 3] }, "the argument `places` must have at most 2 items, not 3"],
    [{ text: "a", extra: [] }, "the argument `extra` must be an object, not an array"],
    [{ text: "a", kind: "x".repeat(1000) }, "the argument `kind` must be one of `a`, `b`, not a string of 1002 characters"],
  ]) {
    const told = await refused(args);
    if (reason instanceof RegExp) assert.match(told, reason);
    else assert.equal(told, reason);
  }
});

test("errors keep their kind", async () => {
  const failing = (error) =>
    skill({ tools: [tool({ name: "f", description: "" }, async () => Promise.reject(error))] });
  for (const [error, kind] of [
    [ToolError.denied("no"), "denied"],
    [ToolError.invalidArguments("no"), "invalid-arguments"],
    [new Error("no"), "failed"],
    ["no", "failed"],
  ]) {
    await assert.rejects(call(failing(error), "f"), { name: "ToolError", kind, message: "no" });
  }
  await assert.rejects(call(failing("no"), "g"), { kind: "failed", message: "the skill has no tool `g`" });
});

test("answers are text, data or parts", async () => {
  const answering = (answer, output) => skill({ tools: [tool({ name: "a", description: "", output }, () => answer)] });
  assert.deepEqual(await call(answering(), "a"), { text: "Done", content: [{ tag: "text", val: "Done" }], data: undefined });
  assert.equal((await call(answering("x"), "a")).text, "x");
  assert.deepEqual((await call(answering({ n: 1 }, { n: t.integer() }), "a")).data, { n: 1 });
  await assert.rejects(call(answering({ n: "1" }, { n: t.integer() }), "a"), /own answer does not fit its `output`: `n` must be an integer/);
  const parts = Output.text("a").image("image/png", new Uint8Array([1])).workspaceFile("b.pdf", "application/pdf").data({ n: 1 });
  const { content, data } = await call(answering(parts), "a");
  assert.deepEqual([content.map(({ tag }) => tag), data], [["text", "image", "workspace-file"], { n: 1 }]);
  await assert.rejects(call(answering(() => {}), "a"), { kind: "failed", message: "the answer has no JSON form" });
});

test("mistakes in declarations are told at once", () => {
  const declared = (options, run = () => {}) => () => tool({ name: "n", description: "", ...options }, run);
  assert.throws(declared({ name: "a b" }), /`a b` names no tool/);
  assert.throws(declared({ readonly: true }), /the tool `n` has no option `readonly`/);
  assert.throws(declared({ description: undefined }), /has no `description`/);
  assert.throws(declared({ input: { a: "string" } }), /`a` has no type/);
  assert.throws(declared({}, null), /has no function/);
  assert.throws(() => t.string({ minimum: 1 }), /`minimum` is no option/);
  assert.throws(() => t.integer({ min: 1, default: 0 }), /must be at least 1, not 0/);
  assert.throws(() => skill({ tools: [] }), /at least one tool/);
  const twice = declared({})();
  assert.throws(() => skill({ tools: [twice, twice] }), /two tools `n`/);
});

test("what a skill needs is written as perstack.toml has it", () => {
  const tools = [tool({ name: "n", description: "" }, () => {})];
  assert.equal(skill({ tools }).needs, undefined);
  const { needs } = skill({ tools, network: ["https://a.com"], secrets: { KEY: ["a.com"] }, read: ["."], write: ["out"] });
  assert.equal(
    needs,
    'network = ["https://a.com"]\nenv = []\n' +
      'filesystem = [{ path = ".", access = "read" }, { path = "out", access = "write" }]\nsecrets = { "KEY" = ["a.com"] }\n',
  );
});

test("state works as it is, and is checked when it is read", () => {
  assert.equal(state.workspace.get("a"), undefined);
  state.workspace.set("a", { n: 1 });
  assert.deepEqual([state.workspace.get("a"), state.job.get("a"), state.workspace.keys()], [{ n: 1 }, undefined, ["a"]]);
  assert.throws(() => state.workspace.get("a", t.object({ n: t.string() })), {
    code: "unreadable",
    message: "the state under `a` does not fit: `n` must be a string, not 1",
  });
  state.workspace.setBytes("b", new Uint8Array([0xff]));
  assert.throws(() => state.workspace.get("b"), { code: "unreadable" });
  state.workspace.delete("b");
  limitState(9);
  state.workspace.set("a", { n: 2 });
  assert.throws(() => state.workspace.set("b", 1), (error) => error instanceof HostError && error.code === "quota-exceeded");
});

test("what is not scripted says what to call", async () => {
  assert.throws(() => context(), /script it with `setContext`/);
  await assert.rejects(fetch("https://a.com/"), /what is at https:\/\/a.com\/: script it with `onFetch`/);
  onFetch((request) => new Response(`${request.method} ${request.url}`));
  assert.equal(await (await fetch("https://a.com/")).text(), "GET https://a.com/");
  setContext({ jobId: "j" });
  setEnv({ REGION: "eu" });
  assert.deepEqual([context().jobId, env("REGION"), env("toString")], ["j", "eu", undefined]);
  progress("half", 2);
  progress("more");
  assert.deepEqual(progressReports(), [{ message: "half", fraction: 1 }, { message: "more", fraction: undefined }]);
});
