// `fetch` of the Fetch standard, over the host's gate: HTTPS to what the skill was granted, and nothing else.
// Not here: streams of bodies, `AbortSignal`, cookies and caches.

import handler from "host:http/outgoing-handler@WASI";
import http from "host:http/types@WASI";

import { ToolError } from "../errors.js";
import { payload } from "../host.js";
import { whenReady } from "./loop.js";

/** As the standard has it. */
const MAX_REDIRECTS = 20;
const REDIRECTS = [301, 302, 303, 307, 308];
/** The most that the host takes at once. */
const WRITE_CHUNK = 4096;
const READ_CHUNK = 64 * 1024;
const METHODS = ["get", "head", "post", "put", "delete", "connect", "options", "trace", "patch"];

export class Headers {
  #values = new Map();

  constructor(init = []) {
    const entries = typeof init[Symbol.iterator] === "function" ? init : Object.entries(init);
    for (const [name, value] of entries) this.append(name, value);
  }

  append(name, value) {
    const held = this.get(name);
    this.set(name, held === null ? value : `${held}, ${value}`);
  }

  set(name, value) {
    this.#values.set(String(name).toLowerCase(), String(value).trim());
  }

  get(name) {
    return this.#values.get(String(name).toLowerCase()) ?? null;
  }

  has(name) {
    return this.#values.has(String(name).toLowerCase());
  }

  delete(name) {
    this.#values.delete(String(name).toLowerCase());
  }

  forEach(callback) {
    for (const [name, value] of this) callback(value, name, this);
  }

  entries() {
    return [...this.#values].sort(([a], [b]) => (a < b ? -1 : 1)).values();
  }

  keys() {
    return [...this.#values.keys()].sort().values();
  }

  values() {
    return Array.from(this.entries(), ([, value]) => value).values();
  }

  [Symbol.iterator]() {
    return this.entries();
  }
}

export class Response {
  #body;

  constructor(body = null, { status = 200, statusText = "", headers = [], url = "", redirected = false } = {}) {
    this.status = status;
    this.statusText = statusText;
    this.headers = new Headers(headers);
    this.url = url;
    this.redirected = redirected;
    this.bodyUsed = false;
    this.#body = typeof body === "function" ? body : () => toBytes(body);
  }

  get ok() {
    return this.status >= 200 && this.status < 300;
  }

  async bytes() {
    if (this.bodyUsed) throw new TypeError("the body was read already");
    this.bodyUsed = true;
    return this.#body();
  }

  async arrayBuffer() {
    return (await this.bytes()).buffer;
  }

  async text() {
    return new TextDecoder().decode(await this.bytes());
  }

  async json() {
    return JSON.parse(await this.text());
  }
}

export async function fetch(resource, init = {}) {
  let { method = "GET", body, redirect = "follow" } = init;
  method = normalized(method);
  const headers = new Headers(init.headers ?? []);
  if (body instanceof URLSearchParams && !headers.has("content-type")) {
    headers.set("content-type", "application/x-www-form-urlencoded;charset=UTF-8");
  } else if (typeof body === "string" && !headers.has("content-type")) {
    headers.set("content-type", "text/plain;charset=UTF-8");
  }
  let url = new URL(String(resource));
  let bytes = toBytes(body);
  for (let redirects = 0; ; redirects++) {
    const response = await exchange(url, method, headers, bytes, redirects > 0);
    const location = response.headers.get("location");
    if (!REDIRECTS.includes(response.status) || location === null || redirect === "manual") return response;
    if (redirect === "error") throw new TypeError(`${url.host} redirects, which the request forbids`);
    if (redirects === MAX_REDIRECTS) throw new TypeError(`${url.host} redirects without end`);
    const next = new URL(location, url);
    if (response.status === 303 ? !["GET", "HEAD"].includes(method) : method === "POST" && response.status < 303) {
      [method, bytes] = ["GET", new Uint8Array()];
      for (const name of ["content-type", "content-language", "content-encoding", "content-location"]) headers.delete(name);
    }
    // What says who asks is for the host that it was said to.
    if (next.origin !== url.origin) for (const name of ["authorization", "cookie"]) headers.delete(name);
    url = next;
  }
}

function normalized(method) {
  const lower = String(method).toLowerCase();
  return METHODS.includes(lower) && lower !== "patch" ? lower.toUpperCase() : String(method);
}

function toBytes(body) {
  if (body === undefined || body === null) return new Uint8Array();
  if (ArrayBuffer.isView(body)) return new Uint8Array(body.buffer, body.byteOffset, body.byteLength);
  return body instanceof ArrayBuffer ? new Uint8Array(body) : new TextEncoder().encode(String(body));
}

/** One request, and the beginning of its answer. */
function exchange(url, method, headers, bytes, redirected) {
  return new Promise((resolve, reject) => {
    const fail = (error) => reject(failure(url, error));
    try {
      const future = send(url, method, headers, bytes);
      whenReady(future.subscribe(), () => {
        const { val } = future.get();
        future[Symbol.dispose]();
        if (val.tag === "err") fail(val.val);
        else resolve(respond(url, val.val, redirected));
      });
    } catch (error) {
      fail(payload(error));
    }
  });
}

function send(url, method, headers, bytes) {
  const fields = new http.Fields();
  for (const [name, value] of headers) fields.append(name, new TextEncoder().encode(value));
  const request = new http.OutgoingRequest(fields);
  const lower = method.toLowerCase();
  request.setMethod(METHODS.includes(lower) ? { tag: lower } : { tag: "other", val: method });
  const schemes = { "https:": { tag: "HTTPS" }, "http:": { tag: "HTTP" } };
  request.setScheme(schemes[url.protocol] ?? { tag: "other", val: url.protocol.slice(0, -1) });
  request.setAuthority(url.host);
  request.setPathWithQuery(url.pathname + url.search);
  const body = request.body();
  const future = handler.handle(request, null);
  const stream = body.write();
  for (let start = 0; start < bytes.length; start += WRITE_CHUNK) {
    stream.blockingWriteAndFlush(bytes.subarray(start, start + WRITE_CHUNK));
  }
  stream[Symbol.dispose]();
  http.OutgoingBody.finish(body, null);
  return future;
}

function respond(url, incoming, redirected) {
  const fields = incoming.headers();
  const headers = fields.entries().map(([name, value]) => [name, new TextDecoder().decode(Uint8Array.from(value))]);
  fields[Symbol.dispose]();
  return new Response(() => readAll(url, incoming), { status: incoming.status(), headers, url: url.href, redirected });
}

function readAll(url, incoming) {
  const body = incoming.consume();
  const stream = body.stream();
  const chunks = [];
  for (;;) {
    try {
      chunks.push(Uint8Array.from(stream.blockingRead(READ_CHUNK)));
    } catch (error) {
      const reason = payload(error);
      if (reason?.tag !== "closed") throw failure(url, reason);
      break;
    }
  }
  for (const resource of [stream, body, incoming]) resource[Symbol.dispose]();
  const all = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let end = 0;
  for (const chunk of chunks) {
    all.set(chunk, end);
    end += chunk.length;
  }
  return all;
}

/** The error of a request; its text is for a model. */
function failure(url, reason) {
  if (reason?.tag === "HTTP-request-denied") return ToolError.denied(`the request to ${url.host} was refused`);
  if (reason?.tag === undefined) return reason;
  const more = typeof reason.val === "string" ? `: ${reason.val}` : "";
  return new TypeError(`the request to ${url.host} failed: ${reason.tag}${more}`);
}
