#!/usr/bin/env node
// Builds a component: `perstack-build src/skill.js -o skill.wasm`.

import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";

import { build } from "../src/build/build.js";

const USAGE = "usage: perstack-build FILE.js|FILE.ts [-o FILE.wasm]";

try {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { out: { type: "string", short: "o", default: "skill.wasm" }, help: { type: "boolean", short: "h" } },
  });
  if (values.help || positionals.length !== 1) {
    console.log(USAGE);
    process.exit(values.help ? 0 : 2);
  }
  const { component, kind } = await build(positionals[0]);
  await writeFile(values.out, component);
  console.log(`${values.out} · ${kind} · ${(component.length / 1e6).toFixed(1)} MB`);
} catch (error) {
  console.error(`error: ${error.message}`);
  process.exit(1);
}
