// Skills: tools with typed arguments.

import { ToolError, textOf } from "./errors.js";
import { Output, toJson } from "./output.js";
import { Misfit, closed } from "./types.js";

const NAME = /^[A-Za-z0-9_-]{1,64}$/;
const TOOL_OPTIONS = [
  "name",
  "title",
  "description",
  "input",
  "output",
  "readOnly",
  "destructive",
  "idempotent",
  "openWorld",
];
const SKILL_OPTIONS = ["tools", "network", "secrets", "env", "read", "write"];

function requireKnown(options, known, what) {
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) throw new TypeError(`${what} has no option \`${name}\`: there are \`${known.join("`, `")}\``);
  }
}

/** A tool: how the model sees it, and the function that is called with checked arguments. */
export function tool(options, run) {
  const { name, title = null, description, input = {}, output } = options;
  if (!NAME.test(name ?? "")) throw new TypeError(`\`${name}\` names no tool: 1 to 64 of \`a-z A-Z 0-9 _ -\``);
  requireKnown(options, TOOL_OPTIONS, `the tool \`${name}\``);
  if (typeof description !== "string") throw new TypeError(`the tool \`${name}\` has no \`description\``);
  if (typeof run !== "function") throw new TypeError(`the tool \`${name}\` has no function`);
  const { readOnly = false, destructive = false, idempotent = false, openWorld = false } = options;
  const argumentsType = closed(input, "");
  const outputType = output && closed(output, "");
  const definition = {
    name,
    title,
    description,
    inputSchema: JSON.stringify(argumentsType.keywords),
    outputSchema: outputType ? JSON.stringify(outputType.keywords) : null,
    hints: { readOnly, destructive, idempotent, openWorld },
  };
  return { name, definition, argumentsType, outputType, run };
}

/** A skill: tools, and what they need at the most. */
export function skill(options) {
  requireKnown(options, SKILL_OPTIONS, "a skill");
  const tools = new Map();
  for (const tool of options.tools ?? []) {
    if (tools.has(tool.name)) throw new TypeError(`there are two tools \`${tool.name}\``);
    tools.set(tool.name, tool);
  }
  if (tools.size === 0) throw new TypeError("a skill has at least one tool");
  return {
    kind: "skill",
    needs: needs(options),
    listTools: () => [...tools.values()].map((tool) => tool.definition),
    callTool: (name, json) => call(tools.get(name), name, json),
  };
}

async function call(tool, name, json) {
  if (tool === undefined) throw ToolError.failed(`the skill has no tool \`${name}\``);
  const args = readArguments(tool, json);
  let answer;
  try {
    answer = await tool.run(args);
  } catch (error) {
    throw error instanceof ToolError ? error : ToolError.failed(textOf(error));
  }
  return finish(tool, answer);
}

function readArguments(tool, json) {
  let value;
  try {
    value = JSON.parse(json);
  } catch (error) {
    throw ToolError.invalidArguments(`the arguments are not JSON: ${error.message}`);
  }
  try {
    return tool.argumentsType.check(value);
  } catch (error) {
    if (!(error instanceof Misfit)) throw error;
    const subject = error.path === "" ? "the object of arguments" : `the argument \`${error.path}\``;
    throw ToolError.invalidArguments(`${subject} ${error.message}`);
  }
}

function finish(tool, answer) {
  if (answer instanceof Output) return answer;
  // A model takes an empty answer for a failure.
  if (answer === undefined) return Output.text("Done");
  if (tool.outputType) {
    try {
      tool.outputType.check(answer);
    } catch (error) {
      throw ToolError.failed(`the tool's own answer does not fit its \`output\`: \`${error.path}\` ${error.message}`);
    }
    return Output.text(toJson(answer)).data(answer);
  }
  return Output.text(typeof answer === "string" ? answer : toJson(answer));
}

/** What the skill needs, as `capabilities` of `perstack.toml` have it; nothing where nothing is said. */
function needs({ network, secrets, env, read, write }) {
  if ([network, secrets, env, read, write].every((said) => said === undefined)) return undefined;
  const list = (texts) => JSON.stringify(texts ?? []);
  const path = (access) => (path) => `{ path = ${JSON.stringify(path)}, access = "${access}" }`;
  const paths = [...(read ?? []).map(path("read")), ...(write ?? []).map(path("write"))];
  const hosts = Object.entries(secrets ?? {}).map(([name, hosts]) => `${JSON.stringify(name)} = ${list(hosts)}`);
  return (
    `network = ${list(network)}\nenv = ${list(env)}\n` +
    `filesystem = [${paths.join(", ")}]\nsecrets = { ${hosts.join(", ")} }\n`
  );
}
