// The engine's own promises run on a loop of its own that nothing drives here. `perstack-build` writes `async` functions
// as generators, and these promises are what drives them.

import Promise from "promise-polyfill";

import { enqueue } from "./loop.js";

Promise._immediateFn = enqueue;
Promise._unhandledRejectionFn = (error) => console.error("a promise was rejected, and nobody listened:", error);
globalThis.Promise = Promise;
globalThis.queueMicrotask = enqueue;
