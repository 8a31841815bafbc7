// What a skill or an Expert remembers, and what it knows of the call.

import { HostError } from "./errors.js";
import { hostInterface, payload } from "./host.js";

/** The entries of one scope. A skill gets a fresh instance for each call: what it must remember it keeps here. */
class State {
  #scope;

  constructor(scope) {
    this.#scope = scope;
  }

  /** The bytes under a key; `undefined` where there are none. */
  getBytes(key) {
    return this.#use((state) => state.get(this.#scope, key)) ?? undefined;
  }

  /** Stores bytes under a key, in place of what was there. */
  setBytes(key, value) {
    this.#use((state) => state.set(this.#scope, key, value));
  }

  /** The value under a key, from JSON; `undefined` where there is none. `type` checks what was stored. */
  get(key, type) {
    const bytes = this.getBytes(key);
    if (bytes === undefined) return undefined;
    try {
      const value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
      return type === undefined ? value : type.check(value);
    } catch (error) {
      const path = error.path ? `\`${error.path.replace(/^\./, "")}\` ` : "";
      throw new HostError("unreadable", `the state under \`${key}\` does not fit: ${path}${error.message}`);
    }
  }

  /** Stores a value under a key, as JSON. */
  set(key, value) {
    const text = JSON.stringify(value);
    if (text === undefined) throw new HostError("unreadable", `what to keep under \`${key}\` has no JSON form`);
    this.setBytes(key, new TextEncoder().encode(text));
  }

  /** Removes a key. One that is not there is no error. */
  delete(key) {
    this.#use((state) => state.delete(this.#scope, key));
  }

  /** All keys, sorted. */
  keys() {
    return this.#use((state) => state.listKeys(this.#scope));
  }

  #use(call) {
    try {
      return call(hostInterface("state"));
    } catch (error) {
      const { tag, val } = payload(error) ?? {};
      if (tag === "quota-exceeded") {
        throw new HostError(tag, "the skill holds as much state as it is allowed to");
      }
      throw tag === "other" ? new HostError(tag, val) : error;
    }
  }
}

/** State that outlives a call, of a run, a job, or the workspace. */
export const state = { run: new State("run"), job: new State("job"), workspace: new State("workspace") };

/** Reports what the call is doing and, if known, how much is done, from 0 to 1. For skills. */
export function progress(message, fraction) {
  const bounded = fraction === undefined ? null : Math.min(1, Math.max(0, fraction));
  hostInterface("progress").report(String(message), bounded);
}

/** Which call is running. For skills. */
export const context = () => hostInterface("callContext").get();

/** A variable that was granted, a secret's placeholder among them; `undefined` where there is none. For skills. */
export function env(name) {
  const found = hostInterface("environment").getEnvironment().find(([key]) => key === name);
  return found?.[1];
}
