// The event loop. The engine has none in a call that is not asynchronous by itself: jobs are run here, and when there is
// nothing to do, the call sleeps in the host until one of the things is there that it waits for.

import poll from "host:io/poll@WASI";

const jobs = [];
const waits = [];

/** Runs `job` after the one that runs now. */
export const enqueue = (job) => void jobs.push(job);

/** Runs `job` when the host's `pollable` is ready; gives what stops the wait. */
export function whenReady(pollable, job) {
  const wait = { pollable, job };
  waits.push(wait);
  return () => {
    const index = waits.indexOf(wait);
    if (index >= 0) waits.splice(index, 1)[0].pollable[Symbol.dispose]();
  };
}

/** Runs everything until `promise` is settled; gives its value, or throws what it was rejected with. */
export function settle(promise) {
  let outcome;
  promise.then(
    (value) => (outcome = { value }),
    (error) => (outcome = { error }),
  );
  while (outcome === undefined) {
    if (jobs.length > 0) jobs.shift()();
    else if (waits.length > 0) sleep();
    else throw new Error("it waits for something that never happens");
  }
  if ("error" in outcome) throw outcome.error;
  return outcome.value;
}

function sleep() {
  const ready = new Set(Array.from(poll.poll(waits.map(({ pollable }) => pollable))));
  const due = waits.filter((_, index) => ready.has(index));
  for (const wait of due) {
    waits.splice(waits.indexOf(wait), 1);
    wait.pollable[Symbol.dispose]();
    enqueue(wait.job);
  }
}
