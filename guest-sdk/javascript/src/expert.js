// An Expert's own logic, and what it may use.

import { HostError, textOf } from "./errors.js";
import { hostInterface, payload } from "./host.js";
import { joinedText } from "./output.js";
import { isType } from "./types.js";

/** An Expert: a function from what it is given to its answer. What it throws is the error of the run. */
export function expert(run) {
  if (typeof run !== "function") throw new TypeError("an Expert is made of a function");
  return {
    kind: "expert",
    run: async ({ query, instruction = "", history = [] }) => {
      let answer;
      try {
        answer = await run({ query, instruction, history });
      } catch (error) {
        throw textOf(error);
      }
      if (typeof answer !== "string") throw "the Expert's answer is not text";
      return answer;
    },
  };
}

/** Runs a function of the host; its failure becomes a `HostError` with one of these texts. */
function asking(call, texts) {
  try {
    return call();
  } catch (error) {
    const { tag, val } = payload(error) ?? {};
    if (typeof tag !== "string") throw error;
    throw new HostError(tag, texts[tag]?.(val) ?? String(val ?? tag));
  }
}

/** The person, or the application, that started the run. */
export const user = {
  ask(toolName, args = {}) {
    return asking(() => hostInterface("user").ask(toolName, JSON.stringify(args)), {
      "not-coordinator": () => "only a job's first Expert may ask the user",
      "unknown-tool": (name) => `the Expert has no interactive tool \`${name}\``,
    });
  },
  say(text) {
    hostInterface("user").say(String(text));
  },
};

let calls = 0;

const result = ({ toolCallId, toolName, isError, content }) => ({
  toolCallId,
  toolName,
  isError,
  content,
  text: joinedText(content),
});

/** The tools of the Expert's own skills, delegates among them. */
export const tools = {
  list() {
    const read = (tool) => ({
      ...tool,
      inputSchema: JSON.parse(tool.inputSchema),
      outputSchema: tool.outputSchema === null ? null : JSON.parse(tool.outputSchema),
    });
    return hostInterface("toolbox").listTools().map(read);
  },
  call(name, args = {}) {
    return tools.callAll([{ name, arguments: args }])[0];
  },
  callAll(wanted) {
    const call = ({ id, name, arguments: args }) => ({
      id: id ?? `call-${++calls}`,
      name,
      arguments: JSON.stringify(args ?? {}),
    });
    return hostInterface("toolbox").callTools(wanted.map(call)).map(result);
  },
};

const messageOf = {
  instruction: (text) => ({ tag: "instruction", val: text }),
  user: (said) => ({ tag: "user", val: typeof said === "string" ? [{ tag: "text", val: said }] : said }),
  expert: ({ reasoning = null, text = "", toolCalls = [] }) => ({
    tag: "expert",
    val: { reasoning, text, toolCalls: toolCalls.map((call) => ({ ...call, arguments: JSON.stringify(call.arguments) })) },
  }),
  toolResults: (results) => ({ tag: "tool-results", val: results.map(({ text: _, ...rest }) => rest) }),
};

function message(said) {
  const [kind, ...more] = Object.keys(said);
  if (more.length > 0 || !Object.hasOwn(messageOf, kind)) {
    throw new TypeError(`a message is one of \`${Object.keys(messageOf).join("`, `")}\``);
  }
  return messageOf[kind](said[kind]);
}

/** The language model that the run was started with. */
export const model = {
  generate({ messages, tools = [], responseSchema }) {
    const schema = responseSchema === undefined ? null : JSON.stringify(isType(responseSchema) ? responseSchema.schema : responseSchema);
    const request = { messages: messages.map(message), tools, responseSchema: schema };
    const { reply, stopReason, usage } = asking(() => hostInterface("model").generate(request), {
      "no-model": () => "no model is configured for this run",
    });
    const toolCalls = reply.toolCalls.map((call) => ({ ...call, arguments: JSON.parse(call.arguments) }));
    return { ...reply, toolCalls, stopReason, usage };
  },
};

/** Other Experts that this one may hand work to. */
export const delegates = {
  list: () => hostInterface("delegates").listDelegates(),
  /** Answers in order, `{ answer }` or `{ error }`. */
  run(delegations) {
    const answers = hostInterface("delegates").runDelegates(delegations);
    return answers.map(({ tag, val }) => (tag === "ok" ? { answer: val } : { error: val }));
  },
};
