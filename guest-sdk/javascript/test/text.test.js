import assert from "node:assert/strict";
import { test } from "node:test";

import * as ours from "../src/guest/text.js";

test("text is encoded and decoded as the platform does", () => {
  for (const text of ["", "abc", "äß€😀", "a\ud800b", "\udc00", "\ufeffx", "x".repeat(20_000) + "😀"]) {
    assert.deepEqual(new ours.TextEncoder().encode(text), new TextEncoder().encode(text));
  }
  const pieces = [0x00, 0x41, 0x80, 0x9f, 0xa0, 0xbf, 0xc1, 0xc2, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5, 0xff];
  const fatal = (Decoder, bytes) => {
    try {
      return new Decoder("utf-8", { fatal: true }).decode(bytes);
    } catch (error) {
      return error.name;
    }
  };
  for (let number = 0; number < pieces.length ** 4; number++) {
    const bytes = Uint8Array.from([0, 1, 2, 3], (digit) => pieces[Math.floor(number / pieces.length ** digit) % pieces.length]);
    const expected = new TextDecoder().decode(bytes);
    if (new ours.TextDecoder().decode(bytes) !== expected) assert.fail(`${bytes}`);
    if (fatal(ours.TextDecoder, bytes) !== fatal(TextDecoder, bytes)) assert.fail(`${bytes} fatal`);
  }
});
