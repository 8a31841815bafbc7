// What skills and Experts are made of.

export { HostError, ToolError } from "./errors.js";
export { delegates, expert, model, tools, user } from "./expert.js";
export { Output } from "./output.js";
export { skill, tool } from "./skill.js";
export { context, env, progress, state } from "./state.js";
export { t } from "./types.js";
