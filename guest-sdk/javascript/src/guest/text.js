// UTF-8, as the Encoding standard has it.

/** Code units that are made into text at once; more arguments than that overflow the engine's stack. */
const CHUNK = 8192;

export class TextEncoder {
  encoding = "utf-8";

  encode(text = "") {
    // Percent-encoding is the engine's own way to UTF-8, and fails for halves of characters.
    const encoded = unescape(encodeURIComponent(String(text).toWellFormed()));
    return Uint8Array.from({ length: encoded.length }, (_, index) => encoded.charCodeAt(index));
  }
}

export class TextDecoder {
  encoding = "utf-8";
  #ignoreBOM;

  constructor(label = "utf-8", { fatal = false, ignoreBOM = false } = {}) {
    if (!["utf-8", "utf8"].includes(String(label).toLowerCase())) {
      throw new RangeError(`the encoding \`${label}\` is not here, only UTF-8`);
    }
    this.fatal = fatal;
    this.#ignoreBOM = ignoreBOM;
  }

  decode(input = new Uint8Array()) {
    const bytes = ArrayBuffer.isView(input)
      ? new Uint8Array(input.buffer, input.byteOffset, input.byteLength)
      : new Uint8Array(input);
    const units = [];
    let text = "";
    for (let index = 0; index < bytes.length; ) {
      const [point, length] = next(bytes, index);
      if (point === undefined && this.fatal) throw new TypeError("the bytes are not UTF-8");
      const character = point ?? 0xfffd;
      if (character > 0xffff) units.push(0xd800 + ((character - 0x10000) >> 10), 0xdc00 + (character & 0x3ff));
      else units.push(character);
      index += length;
      if (units.length >= CHUNK) text += String.fromCharCode(...units.splice(0));
    }
    text += String.fromCharCode(...units);
    return text.startsWith("\ufeff") && !this.#ignoreBOM ? text.slice(1) : text;
  }
}

/** The character at `start` and how many bytes it has; `undefined` and the bytes to skip where there is none. */
function next(bytes, start) {
  const first = bytes[start];
  if (first < 0x80) return [first, 1];
  const more = first >= 0xc2 && first < 0xe0 ? 1 : first >= 0xe0 && first < 0xf0 ? 2 : first >= 0xf0 && first < 0xf5 ? 3 : 0;
  if (more === 0) return [undefined, 1];
  // No longer form than needed, no halves of characters, nothing beyond the last.
  let lower = { 0xe0: 0xa0, 0xf0: 0x90 }[first] ?? 0x80;
  let upper = { 0xed: 0x9f, 0xf4: 0x8f }[first] ?? 0xbf;
  let point = first & (0x3f >> more);
  for (let index = 1; index <= more; index++) {
    const byte = bytes[start + index];
    if (!(byte >= lower && byte <= upper)) return [undefined, index];
    [lower, upper] = [0x80, 0xbf];
    point = (point << 6) | (byte & 0x3f);
  }
  return [point, more + 1];
}
