// What is written for people: stdout and stderr, which the host keeps in the run's events.

import stderr from "host:cli/stderr@WASI";
import stdout from "host:cli/stdout@WASI";

import { TextEncoder } from "./text.js";

/** The most that the host takes at once. */
const CHUNK = 4096;

function shown(value) {
  if (typeof value === "string") return value;
  if (value instanceof Error) return `${value.name}: ${value.message}\n${value.stack ?? ""}`.trimEnd();
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return String(value);
  }
}

const writer = (open) => (...values) => {
  const bytes = new TextEncoder().encode(`${values.map(shown).join(" ")}\n`);
  const stream = open();
  for (let start = 0; start < bytes.length; start += CHUNK) {
    stream.blockingWriteAndFlush(bytes.subarray(start, start + CHUNK));
  }
  stream[Symbol.dispose]();
};

const out = writer(() => stdout.getStdout());
const err = writer(() => stderr.getStderr());

export const console = { log: out, info: out, debug: out, warn: err, error: err, trace: err };
