// What a tool answers.

import { ToolError } from "./errors.js";

const part = (tag, val) => ({ tag, val });

/** An answer in parts, for tools that answer with more than text or data. */
export class Output {
  constructor(content = [], structured = null) {
    this.content = content;
    this.structured = structured;
  }

  /** An answer that starts with text. */
  static text = (text) => new Output().text(text);
  /** An answer that starts with an image, a `Uint8Array`; `mediaType` is such as `image/png`. */
  static image = (mediaType, data) => new Output().image(mediaType, data);
  /** An answer that starts with a file, a `Uint8Array`; `mediaType` is such as `application/pdf`. */
  static file = (mediaType, data) => new Output().file(mediaType, data);
  /** An answer that starts with a file of the workspace, which the host reads. */
  static workspaceFile = (path, mediaType) => new Output().workspaceFile(path, mediaType);

  text(text) {
    return this.#with(part("text", String(text)));
  }

  image(mediaType, data) {
    return this.#with(part("image", { mediaType: String(mediaType), data: bytes(data) }));
  }

  file(mediaType, data) {
    return this.#with(part("file", { mediaType: String(mediaType), data: bytes(data) }));
  }

  workspaceFile(path, mediaType) {
    return this.#with(part("workspace-file", { path: String(path), mediaType: String(mediaType) }));
  }

  /** The answer as data as well, which must match the tool's `output`. */
  data(value) {
    return new Output(this.content, toJson(value));
  }

  #with(part) {
    return new Output([...this.content, part], this.structured);
  }
}

function bytes(data) {
  if (!(data instanceof Uint8Array)) throw new TypeError("the bytes of an image or a file are a `Uint8Array`");
  return data;
}

/** JSON text. What has none, such as a function, is the tool's failure. */
export function toJson(value) {
  const text = JSON.stringify(value);
  if (text === undefined) throw ToolError.failed("the answer has no JSON form");
  return text;
}

/** The text parts, joined by line feeds. */
export const joinedText = (content) =>
  content
    .filter(({ tag }) => tag === "text")
    .map(({ val }) => val)
    .join("\n");
