// Errors that a model is told, or that the host answered with.

/**
 * Why a tool call failed. The model reads the text, and may correct itself and call again. Any other error that a tool
 * throws is `failed`.
 */
export class ToolError extends Error {
  constructor(kind, message) {
    super(message);
    this.name = "ToolError";
    this.kind = kind;
  }

  /** The arguments do not fit; the text says which and why. */
  static invalidArguments(message) {
    return new ToolError("invalid-arguments", message);
  }

  /** The skill lacks a capability; the text names it. */
  static denied(message) {
    return new ToolError("denied", message);
  }

  /** The tool tried and failed. */
  static failed(message) {
    return new ToolError("failed", message);
  }
}

/** What the host answered in place of a value; `code` is the contract's word for it. */
export class HostError extends Error {
  constructor(code, message) {
    super(message);
    this.name = "HostError";
    this.code = code;
  }
}

/** The text of anything that was thrown. */
export const textOf = (error) => (error instanceof Error ? error.message : String(error));
