// The WIT that a component is built with: the contract, and what the SDK uses of WASI.

import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";

const CONTRACT = fileURLToPath(new URL("../../wit", import.meta.url));
const WASI = "0.2.12";

/**
 * The version that the SDK's imports have. componentize-qjs runs a component once while it builds it, with a WASI of its
 * own beside which `wasi:http` cannot be linked. So the SDK's imports are of packages `host:`, which only that run does
 * not know, and are renamed to `wasi:` afterwards; with another version than those of the engine, since no two imports
 * have the same name. A host takes both for the same interface.
 */
export const VERSION = "0.2.11";

const renamed = (text) => text.replaceAll("wasi:", "host:").replaceAll(WASI, VERSION);

const COMMON = ["cli/stdout", "cli/stderr", "clocks/monotonic-clock", "random/random", "io/poll"];
const IMPORTS = { skill: [...COMMON, "cli/environment", "http/types", "http/outgoing-handler"], expert: COMMON };

const world = ([name, interfaces]) => `
world ${name} {
    include perstack:plugin/${name}@0.1.0;
${interfaces.map((name) => `    import host:${name}@${VERSION};`).join("\n")}
}
`;

/** Writes the packages to a folder. */
export async function writeWit(folder) {
  const contract = path.join(folder, "deps/perstack-plugin");
  await mkdir(contract, { recursive: true });
  await writeFile(path.join(folder, "worlds.wit"), `package perstack:javascript;\n${Object.entries(IMPORTS).map(world).join("")}`);
  for (const file of await witFiles(CONTRACT)) {
    await writeFile(path.join(contract, file), await readFile(path.join(CONTRACT, file)));
  }
  for (const file of await witFiles(path.join(CONTRACT, "deps"))) {
    const text = await readFile(path.join(CONTRACT, "deps", file), "utf8");
    await writeFile(path.join(folder, "deps", file), renamed(text));
  }
}

const witFiles = async (folder) => (await readdir(folder)).filter((file) => file.endsWith(".wit"));
