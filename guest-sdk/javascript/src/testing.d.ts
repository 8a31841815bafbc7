import type { Content, Expert, Generation, Input, Skill, ToolDefinition } from "./index.js";

/** Calls a tool as the host does; rejects with a `ToolError`. */
export function call(
  skill: Skill,
  tool: string,
  args?: unknown,
): Promise<{ text: string; content: Content[]; data?: unknown }>;
/** Runs an Expert as the host does; rejects with the error of the run. */
export function run(expert: Expert, input: string | Partial<Input>): Promise<string>;
/** Forgets all that was scripted, stored, said and asked. */
export function reset(): void;
/** Queues answers to `user.ask`. */
export function answer(...answers: string[]): void;
/** Queues a refusal of `user.ask`. */
export function refuseToAsk(code: "not-coordinator" | "unknown-tool", name?: string): void;
export function asked(): { tool: string; arguments: unknown }[];
export function said(): string[];
export function progressReports(): { message: string; fraction?: number }[];
export function limitState(bytes: number): void;
export function setEnv(variables: Record<string, string>): void;
export function setContext(context: {
  jobId: string;
  runId: string;
  toolCallId: string;
  expertKey: string;
  skillName: string;
}): void;
export function setTools(tools: ToolDefinition[]): void;
export function setDelegates(delegates: { expertKey: string; description: string }[]): void;
/** Answers calls of tools; what it throws is a result with `isError`. */
export function onToolCall(answer: (name: string, args: any) => string): void;
/** Plays the model; without it there is none. */
export function onGenerate(generate: (request: unknown) => Partial<Pick<Generation, "text" | "toolCalls">>): void;
/** Plays the delegates; what it throws is the error of the run. */
export function onDelegation(answer: (expertKey: string, query: string) => string): void;
/** Plays the network. */
export function onFetch(answer: (request: Request) => Response | Promise<Response>): void;
