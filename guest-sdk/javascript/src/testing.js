// The host of unit tests, in memory. State works as it is, and there is no model. What else the code uses, the test
// scripts first; what is not scripted throws, and says what to call.

import { install } from "./host.js";
import { joinedText } from "./output.js";

export { answer, asked, limitState, onDelegation, onFetch, onGenerate, onToolCall, reset, said };
export { progressReports, refuseToAsk, setContext, setDelegates, setEnv, setTools };

let double;

/** Forgets all that was scripted, stored, said and asked. */
function reset() {
  double = { state: new Map(), answers: [], asked: [], said: [], progress: [], env: {} };
}

function scripted(name, what) {
  if (double[name] === undefined) throw new Error(`the test does not say ${what}: script it with \`${name}\``);
  return double[name];
}

const setter = (name) => (value) => {
  double[name] = value;
};

/** Limits the bytes of all keys and values in state. */
const limitState = setter("limitState");
/** Sets what `context()` gives. */
const setContext = setter("setContext");
/** Sets what `tools.list()` gives. */
const setTools = setter("setTools");
/** Sets what `delegates.list()` gives. */
const setDelegates = setter("setDelegates");
/** Sets what `env` finds. */
const setEnv = setter("env");
/** Answers calls of tools, by name and arguments, with a text. What it throws is a result with `isError`. */
const onToolCall = setter("onToolCall");
/** Plays the model: gets the request, gives `{ text, toolCalls }`. Without it there is none. */
const onGenerate = setter("onGenerate");
/** Plays the delegates, by Expert key and query. What it throws is the error of the run. */
const onDelegation = setter("onDelegation");
/** Plays the network: gets a `Request`, gives a `Response`. */
const onFetch = setter("onFetch");

/** Queues answers to `user.ask`. */
function answer(...answers) {
  double.answers.push(...answers.map((answer) => () => answer));
}

class AskRefused extends Error {
  constructor(payload) {
    super("the user is not asked");
    this.payload = payload;
  }
}

/** Queues a refusal of `user.ask`: `not-coordinator`, or `unknown-tool` with its name. */
function refuseToAsk(tag, val) {
  double.answers.push(() => {
    throw new AskRefused({ tag, val });
  });
}

/** What `user.ask` asked, oldest first: `{ tool, arguments }`. */
const asked = () => double.asked;
/** What `user.say` said, oldest first. */
const said = () => double.said;
/** What `progress` reported, oldest first: `{ message, fraction }`. */
const progressReports = () => double.progress;

/** Calls a tool as the host does; gives `{ text, content, data }`, or throws a `ToolError`. */
export async function call(skill, tool, args = {}) {
  const { content, structured } = await skill.callTool(tool, typeof args === "string" ? args : JSON.stringify(args));
  return { text: joinedText(content), content, data: structured === null ? undefined : JSON.parse(structured) };
}

/** Runs an Expert as the host does; gives its answer, or throws the error of the run. */
export async function run(expert, input) {
  try {
    return await expert.run(typeof input === "string" ? { query: input } : input);
  } catch (error) {
    throw new Error(error);
  }
}

const failure = (payload) => Object.assign(new Error(payload.tag), { payload });
const sizeOf = (key, value) => new TextEncoder().encode(key).length + value.length;
const entry = (scope, key) => `${scope}/${key}`;
const textPart = (text) => [{ tag: "text", val: String(text) }];

const state = {
  get: (scope, key) => double.state.get(entry(scope, key)) ?? null,
  set(scope, key, value) {
    const others = [...double.state].filter(([other]) => other !== entry(scope, key));
    const held = others.reduce((sum, [key, value]) => sum + sizeOf(key.slice(key.indexOf("/") + 1), value), 0);
    if (held + sizeOf(key, value) > (double.limitState ?? Infinity)) throw failure({ tag: "quota-exceeded" });
    double.state.set(entry(scope, key), Uint8Array.from(value));
  },
  delete: (scope, key) => void double.state.delete(entry(scope, key)),
  listKeys(scope) {
    const keys = [...double.state.keys()].filter((key) => key.startsWith(`${scope}/`));
    return keys.map((key) => key.slice(scope.length + 1)).sort();
  },
};

const user = {
  ask(tool, args) {
    double.asked.push({ tool, arguments: JSON.parse(args) });
    const next = double.answers.shift();
    if (next === undefined) throw new Error(`the test does not say what the user answers to \`${tool}\`: script it with \`answer\``);
    return next();
  },
  say: (text) => void double.said.push(text),
};

const toolbox = {
  listTools: () => scripted("setTools", "which tools there are"),
  callTools(calls) {
    const onToolCall = scripted("onToolCall", "what tools answer");
    return calls.map(({ id, name, arguments: args }) => {
      const result = (isError, text) => ({ toolCallId: id, toolName: name, isError, content: textPart(text) });
      try {
        return result(false, onToolCall(name, JSON.parse(args)));
      } catch (error) {
        return result(true, error.message);
      }
    });
  },
};

const NO_USAGE = { inputTokens: 0, outputTokens: 0, reasoningTokens: 0, cachedInputTokens: 0 };

const model = {
  generate(request) {
    if (double.onGenerate === undefined) throw failure({ tag: "no-model" });
    const { text = "", toolCalls = [], reasoning = null } = double.onGenerate(request);
    const calls = toolCalls.map((call) => ({ ...call, arguments: JSON.stringify(call.arguments) }));
    const stopReason = calls.length === 0 ? "end-turn" : "tool-calls";
    return { reply: { reasoning, text, toolCalls: calls }, stopReason, usage: NO_USAGE };
  },
};

const delegates = {
  listDelegates: () => scripted("setDelegates", "which delegates there are"),
  runDelegates(delegations) {
    const onDelegation = scripted("onDelegation", "what delegates answer");
    return delegations.map(({ expertKey, query }) => {
      try {
        return { tag: "ok", val: onDelegation(expertKey, query) };
      } catch (error) {
        return { tag: "err", val: error.message };
      }
    });
  },
};

globalThis.fetch = async (resource, init) => {
  const request = new Request(resource, init);
  return scripted("onFetch", `what is at ${request.url}`)(request);
};

reset();
install({
  kind: "test",
  state,
  user,
  toolbox,
  model,
  delegates,
  progress: { report: (message, fraction) => void double.progress.push({ message, fraction: fraction ?? undefined }) },
  callContext: { get: () => scripted("setContext", "which call is running") },
  environment: { getEnvironment: () => Object.entries(double.env) },
});
