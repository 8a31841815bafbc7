// What programs expect of any JavaScript environment and the engine does not have. A component gets those of them that
// it uses.

import URL from "core-js-pure/actual/url";
import URLSearchParams from "core-js-pure/actual/url-search-params";
import structuredClone from "core-js-pure/actual/structured-clone";

export { URL, URLSearchParams, structuredClone };
export { console } from "./console.js";
export { crypto } from "./crypto.js";
export { Headers, Response, fetch } from "./fetch.js";
export { TextDecoder, TextEncoder } from "./text.js";
export { clearTimeout, setTimeout } from "./timers.js";
