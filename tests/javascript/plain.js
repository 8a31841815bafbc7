// A skill made with the contract and componentize-qjs alone.

import state from "perstack:plugin/state@0.1.0";

const hints = { readOnly: true, destructive: false, idempotent: false, openWorld: false };

export const tools = {
  listTools: () => [
    { name: "plain_js", title: null, description: "Plain.", inputSchema: '{"type":"object"}', outputSchema: null, hints },
  ],
  callTool(name, args) {
    if (JSON.parse(args).fail) throw { tag: "denied", val: "no" };
    const keys = state.listKeys("run").length;
    return { content: [{ tag: "text", val: `${name} ${keys}` }], structured: null };
  },
};
