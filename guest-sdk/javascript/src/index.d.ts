declare const kind: unique symbol;

/** What an argument, or a field of an answer, may be. */
export interface Type<T> {
  readonly [kind]: T;
  /** The JSON Schema. */
  readonly schema: object;
  /** Gives the value as a tool gets it; throws where it does not fit. */
  check(value: unknown): T;
}

export type Fields = Record<string, Type<any>>;
/** The type of the values that a type, or fields, describe. */
export type Infer<T> = T extends Type<infer V> ? V : { [Name in keyof T]: T[Name] extends Type<infer V> ? V : never };

interface Described<T> {
  /** Tells the model what it is. */
  description?: string;
  /** Taken where the value is absent. */
  default?: T;
}

interface Bounded<T> extends Described<T> {
  /** The least value, or number of characters or items. */
  min?: number;
  /** The largest value, or number of characters or items. */
  max?: number;
}

interface Text extends Bounded<string> {
  /** A regular expression that the text must match. */
  pattern?: string;
}

/** Types of arguments and answers. In place of options, a text is the description. */
export const t: {
  string(options?: string | Text): Type<string>;
  number(options?: string | Bounded<number>): Type<number>;
  integer(options?: string | Bounded<number>): Type<number>;
  boolean(options?: string | Described<boolean>): Type<boolean>;
  enum<const Name extends string>(names: readonly Name[], options?: string | Described<Name>): Type<Name>;
  array<T>(items: Type<T>, options?: string | Bounded<T[]>): Type<T[]>;
  /** An object with keys of any name. */
  record<T>(values: Type<T>, options?: string | Described<Record<string, T>>): Type<Record<string, T>>;
  /** An object with these fields, and no others. */
  object<F extends Fields>(fields: F, options?: string | Described<Infer<F>>): Type<Infer<F>>;
  /** A value that may be left out, or null: `undefined`. */
  optional<T>(type: Type<T>): Type<T | undefined>;
  /** Any JSON. */
  any(options?: string | Described<unknown>): Type<unknown>;
};

export type Content =
  | { tag: "text"; val: string }
  | { tag: "image" | "file"; val: { mediaType: string; data: Uint8Array } }
  | { tag: "workspace-file"; val: { path: string; mediaType: string } };

/** A tool's answer in parts, for tools that answer with more than text or data. */
export class Output {
  static text(text: string): Output;
  static image(mediaType: string, data: Uint8Array): Output;
  static file(mediaType: string, data: Uint8Array): Output;
  /** A file of the workspace, which the host reads; the skill must be granted it. */
  static workspaceFile(path: string, mediaType: string): Output;
  text(text: string): Output;
  image(mediaType: string, data: Uint8Array): Output;
  file(mediaType: string, data: Uint8Array): Output;
  workspaceFile(path: string, mediaType: string): Output;
  /** The answer as data as well, matching the tool's `output`. */
  data(value: unknown): Output;
}

/** Why a tool call failed. The model reads the text. Any other error that a tool throws is `failed`. */
export class ToolError extends Error {
  readonly kind: "invalid-arguments" | "denied" | "failed";
  constructor(kind: ToolError["kind"], message: string);
  /** The arguments do not fit; the text says which and why. */
  static invalidArguments(message: string): ToolError;
  /** The skill lacks a capability; the text names it. */
  static denied(message: string): ToolError;
  /** The tool tried and failed. */
  static failed(message: string): ToolError;
}

/** What the host answered in place of a value; `code` is the contract's word, such as `quota-exceeded`. */
export class HostError extends Error {
  readonly code: string;
}

declare const made: unique symbol;
export interface Tool {
  readonly [made]: "tool";
}
export interface Skill {
  readonly [made]: "skill";
}
export interface Expert {
  readonly [made]: "expert";
}

export interface ToolOptions<Input extends Fields> {
  /** 1 to 64 of `a-z A-Z 0-9 _ -`. */
  name: string;
  /** Shown to people in place of the name. */
  title?: string;
  /** Tells the model what the tool does and when to call it. */
  description: string;
  /** The arguments; none by default. */
  input?: Input;
  /** The call changes nothing outside the skill. */
  readOnly?: boolean;
  /** The call may delete or overwrite data. */
  destructive?: boolean;
  /** Repeating the call with the same arguments changes nothing more. */
  idempotent?: boolean;
  /** The call reaches systems outside this machine. */
  openWorld?: boolean;
}

/** A tool: how the model sees it, and the function that is called with checked arguments. */
export function tool<Input extends Fields = {}>(
  options: ToolOptions<Input> & { output?: undefined },
  run: (args: Infer<Input>) => unknown,
): Tool;
/** A tool that answers with data, whose fields are `output`. */
export function tool<Answer extends Fields, Input extends Fields = {}>(
  options: ToolOptions<Input> & { output: Answer },
  run: (args: Infer<Input>) => Infer<Answer> | Output | Promise<Infer<Answer> | Output>,
): Tool;

/** A skill: tools, and what they need at the most; nothing else is ever given where something is said. */
export function skill(options: {
  tools: Tool[];
  /** Hosts, as `https://api.example.com`. */
  network?: string[];
  /** Secrets, and the hosts that each is sent to. */
  secrets?: Record<string, string[]>;
  /** Variables. */
  env?: string[];
  /** Paths of the workspace that are read. */
  read?: string[];
  /** Paths of the workspace that are written. */
  write?: string[];
}): Skill;

export interface Input {
  query: string;
  /** The Expert's `instruction`; empty where it has none. */
  instruction: string;
  /** Queries and answers of the job's earlier runs of this Expert, oldest first. */
  history: [query: string, answer: string][];
}

/** An Expert: a function from what it is given to its answer. What it throws is the error of the run. */
export function expert(run: (input: Input) => string | Promise<string>): Expert;

export interface State {
  /** The value under a key, from JSON; `undefined` where there is none. `type` checks what was stored. */
  get<T>(key: string, type: Type<T>): T | undefined;
  get(key: string): unknown;
  /** Stores a value under a key, as JSON. */
  set(key: string, value: unknown): void;
  getBytes(key: string): Uint8Array | undefined;
  setBytes(key: string, value: Uint8Array): void;
  /** Removes a key. One that is not there is no error. */
  delete(key: string): void;
  /** All keys, sorted. */
  keys(): string[];
}

/** State that outlives a call, of a run, a job, or the workspace. Throws `HostError`. */
export const state: { run: State; job: State; workspace: State };
/** Reports what the call is doing and, if known, how much is done, from 0 to 1. For skills. */
export function progress(message: string, fraction?: number): void;
/** Which call is running. For skills. */
export function context(): { jobId: string; runId: string; toolCallId: string; expertKey: string; skillName: string };
/** A variable that was granted, a secret's placeholder among them. For skills. */
export function env(name: string): string | undefined;

export interface ToolCall {
  /** Made up where it is absent. */
  id?: string;
  name: string;
  arguments?: unknown;
}
export interface ToolResult {
  toolCallId: string;
  toolName: string;
  isError: boolean;
  content: Content[];
  /** The parts that are text, joined by line feeds. */
  text: string;
}
export interface ToolDefinition {
  name: string;
  title: string | null;
  description: string;
  inputSchema: object;
  outputSchema: object | null;
  hints: { readOnly: boolean; destructive: boolean; idempotent: boolean; openWorld: boolean };
}

/** The tools of the Expert's own skills, delegates among them. */
export const tools: {
  list(): ToolDefinition[];
  /** Calls one tool. A failure is a result with `isError`. */
  call(name: string, args?: unknown): ToolResult;
  /** Calls tools side by side; results are in the order of the calls. */
  callAll(calls: ToolCall[]): ToolResult[];
};

/** The person, or the application, that started the run. */
export const user: {
  /**
   * Calls an interactive tool. The answer may come days later: the run then starts again from the top, with all recorded
   * answers. Throws `HostError`.
   */
  ask(toolName: string, args?: unknown): string;
  /** Shows text while the run goes on. */
  say(text: string): void;
};

export interface Reply {
  reasoning?: string | null;
  text?: string;
  toolCalls?: { id: string; name: string; arguments: unknown }[];
}
export type Message =
  | { instruction: string }
  | { user: string | Content[] }
  | { expert: Reply }
  | { toolResults: ToolResult[] };
export interface Generation extends Required<Reply> {
  stopReason: "end-turn" | "tool-calls" | "max-tokens" | "refusal";
  usage: Record<"inputTokens" | "outputTokens" | "reasoningTokens" | "cachedInputTokens", number>;
}

/** The language model that the run was started with. */
export const model: {
  /** Generates one reply; one step of the run. Throws `HostError`. */
  generate(request: { messages: Message[]; tools?: string[]; responseSchema?: Type<unknown> | object }): Generation;
};

/** Other Experts that this one may hand work to. */
export const delegates: {
  list(): { expertKey: string; description: string }[];
  /** Runs each as its own run of the job, side by side. */
  run(delegations: { expertKey: string; query: string }[]): ({ answer: string } | { error: string })[];
};
