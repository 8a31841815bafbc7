// The little of a component's binary format that is changed after it was built.

const HEADER = 8;
const CUSTOM_SECTION = 0;
const IMPORT_SECTION = 10;
/** The kind of an import that is an interface. */
const INSTANCE = 5;

/** Reads an unsigned LEB128 number; gives it and where it ends. */
function readNumber(bytes, start) {
  let [value, shift, position] = [0, 0, start];
  for (;;) {
    const byte = bytes[position++];
    value += (byte & 0x7f) * 2 ** shift;
    shift += 7;
    if (byte < 0x80) return [value, position];
  }
}

function number(value) {
  const bytes = [];
  for (; value >= 0x80; value = Math.floor(value / 0x80)) bytes.push((value % 0x80) | 0x80);
  return Buffer.from([...bytes, value]);
}

/** Renames what the component imports from packages `host:` to `wasi:`: the same number of bytes, in place. */
export function renameImports(component) {
  const bytes = Buffer.from(component);
  for (let position = HEADER; position < bytes.length; ) {
    const id = bytes[position];
    const [size, start] = readNumber(bytes, position + 1);
    if (id === IMPORT_SECTION) renameSection(bytes, start);
    position = start + size;
  }
  return bytes;
}

function renameSection(bytes, start) {
  let [count, position] = readNumber(bytes, start);
  for (; count > 0; count--) {
    const [length, name] = readNumber(bytes, position + 1);
    if (bytes.toString("latin1", name, name + 5) === "host:") bytes.write("wasi:", name, "latin1");
    const kind = name + length;
    if (bytes[kind] !== INSTANCE) throw new Error("the component imports something that is no interface");
    [, position] = readNumber(bytes, kind + 1);
  }
}

/** Appends a custom section. */
export function appendSection(component, name, text) {
  const [nameBytes, content] = [Buffer.from(name), Buffer.from(text)];
  const body = Buffer.concat([number(nameBytes.length), nameBytes, content]);
  return Buffer.concat([component, Buffer.from([CUSTOM_SECTION]), number(body.length), body]);
}
