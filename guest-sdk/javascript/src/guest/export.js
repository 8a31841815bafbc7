// The functions that a component exports, around an author's skill or Expert.

import { ToolError, textOf } from "../errors.js";
import { crypto } from "./crypto.js";
import { settle } from "./loop.js";

/**
 * A component starts each time as it was built, with the engine's random numbers too. So these come from the host, but
 * not before there is one: modules are evaluated while the component is built.
 */
function hostRandom() {
  const [high, low] = crypto.getRandomValues(new Uint32Array(2));
  return ((high >>> 5) * 2 ** 26 + (low >>> 6)) / 2 ** 53;
}

/** Runs `call` to its end. */
function run(call) {
  Math.random = hostRandom;
  return settle(call());
}

/** The error of a call, as the contract has it. */
function toolError(error) {
  const kind = error instanceof ToolError ? error.kind : "failed";
  return { tag: kind, val: textOf(error) };
}

export const toolsOf = (skill) => ({
  listTools: () => skill.listTools(),
  callTool(name, json) {
    try {
      const { content, structured } = run(() => skill.callTool(name, json));
      return { content, structured };
    } catch (error) {
      throw toolError(error);
    }
  },
});

export const logicOf = (expert) => ({
  run(input) {
    try {
      return run(() => expert.run(input));
    } catch (error) {
      throw textOf(error);
    }
  },
});
