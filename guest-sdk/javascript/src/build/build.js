// From an author's module to a component: one file by esbuild, the engine around it by componentize-qjs.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

import { componentize } from "componentize-qjs";
import { build as bundle } from "esbuild";

import { appendSection, renameImports } from "./binary.js";
import { VERSION, writeWit } from "./wit.js";

const require = createRequire(import.meta.url);
const SOURCE = fileURLToPath(new URL("..", import.meta.url));
const NEEDS_SECTION = "perstack:needs";

/** What is asked of the host, by its name in `host.js`. */
const CONTRACT = "perstack:plugin";
const INTERFACES = {
  skill: {
    progress: `${CONTRACT}/progress@0.1.0`,
    callContext: `${CONTRACT}/call-context@0.1.0`,
    state: `${CONTRACT}/state@0.1.0`,
    environment: `host:cli/environment@${VERSION}`,
  },
  expert: {
    model: `${CONTRACT}/model@0.1.0`,
    toolbox: `${CONTRACT}/toolbox@0.1.0`,
    delegates: `${CONTRACT}/delegates@0.1.0`,
    user: `${CONTRACT}/user@0.1.0`,
    state: `${CONTRACT}/state@0.1.0`,
  },
};

/** Builds the module at `entry`; gives the component and its kind, `skill` or `expert`. */
export async function build(entry) {
  const folder = await mkdtemp(path.join(tmpdir(), "perstack-build-"));
  try {
    const { kind, needs } = await define(entry, folder);
    await writeWit(path.join(folder, "wit"));
    const jsSource = await bundled(component(kind, entry), {
      resolveDir: path.dirname(path.resolve(entry)),
      inject: [path.join(SOURCE, "guest/globals.js")],
    });
    if (kind === "expert" && jsSource.includes('"host:http/')) {
      throw new Error(`\`${entry}\` uses \`fetch\`, and an Expert has no network: its skills do`);
    }
    const { component: built } = await componentize({
      witPath: path.join(folder, "wit"),
      jsSource,
      world: kind,
      sync: true,
      optSize: true,
    });
    const renamed = renameImports(built);
    return { kind, component: needs === undefined ? renamed : appendSection(renamed, NEEDS_SECTION, needs) };
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Evaluates the module here, so that what is wrong with its declarations is told by a line of it. */
async function define(entry, folder) {
  const file = path.join(folder, "definition.mjs");
  const options = { entryPoints: [path.resolve(entry)], sourcemap: "inline" };
  const result = await bundle({ ...COMMON, ...options });
  await writeFile(file, result.outputFiles[0].contents);
  const { default: definition } = await import(pathToFileURL(file).href);
  if (!["skill", "expert"].includes(definition?.kind)) {
    throw new Error(`\`${entry}\` has no default export made with \`skill\` or \`expert\``);
  }
  return definition;
}

const COMMON = { bundle: true, write: false, format: "esm", platform: "neutral", mainFields: ["module", "main"] };

/** One module for the engine; `async` functions become generators, see `guest/promise.js`. */
async function bundled(contents, { resolveDir, inject }) {
  const result = await bundle({
    ...COMMON,
    stdin: { contents, resolveDir, sourcefile: "component.js" },
    inject,
    minifySyntax: true,
    external: ["perstack:*", "host:*"],
    supported: { "async-await": false, "async-generator": false, "for-await": false },
    plugins: [
      { name: "wasi", setup: versioned },
      { name: "unused", setup: droppable },
    ],
  });
  return result.outputFiles[0].text;
}

/** What is only defined, and used by nobody, is left out of the component. */
function droppable(build) {
  build.onResolve({ filter: /^core-js-pure\// }, ({ path }) => ({ path: require.resolve(path), sideEffects: false }));
}

/** `@WASI` in the SDK's own imports is the version that this build has. */
function versioned(build) {
  build.onResolve({ filter: /@WASI$/ }, ({ path }) => ({ path: path.replace(/WASI$/, VERSION), external: true }));
}

/** The module that the engine is given. */
function component(kind, entry) {
  const sdk = (file) => JSON.stringify(path.join(SOURCE, file));
  const interfaces = Object.entries(INTERFACES[kind]);
  const exported = kind === "skill" ? "tools = toolsOf" : "logic = logicOf";
  return [
    `import ${sdk("guest/promise.js")};`,
    ...interfaces.map(([name, from]) => `import ${name} from "${from}";`),
    `import { install } from ${sdk("host.js")};`,
    `import { toolsOf, logicOf } from ${sdk("guest/export.js")};`,
    `import definition from ${JSON.stringify(path.resolve(entry))};`,
    `install({ kind: "${kind}", ${interfaces.map(([name]) => name).join(", ")} });`,
    `export const ${exported}(definition);`,
  ].join("\n");
}
