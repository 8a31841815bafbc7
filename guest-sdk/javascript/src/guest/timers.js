// Timers, on the host's clock.

import clock from "host:clocks/monotonic-clock@WASI";

import { whenReady } from "./loop.js";

const NANOSECONDS_PER_MILLISECOND = 1_000_000;

const running = new Map();
let last = 0;

export function setTimeout(callback, milliseconds = 0, ...args) {
  const id = ++last;
  const duration = Math.max(0, Math.round(Number(milliseconds) * NANOSECONDS_PER_MILLISECOND) || 0);
  const job = () => {
    if (running.delete(id)) callback(...args);
  };
  running.set(id, whenReady(clock.subscribeDuration(duration), job));
  return id;
}

export function clearTimeout(id) {
  const stop = running.get(id);
  if (running.delete(id)) stop();
}
