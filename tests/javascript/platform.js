// What programs expect of any JavaScript environment.

import { skill, tool } from "perstack";

async function order() {
  const seen = [];
  const late = new Promise((resolve) => setTimeout(resolve, 20)).then(() => seen.push("late"));
  const never = setTimeout(() => seen.push("never"), 1);
  clearTimeout(never);
  queueMicrotask(() => seen.push("microtask"));
  await null;
  seen.push("awaited");
  await Promise.all([late, new Promise((resolve) => setTimeout(resolve, 5)).then(() => seen.push("early"))]);
  async function* numbers() {
    yield 1;
    await null;
    yield 2;
  }
  for await (const number of numbers()) seen.push(number);
  try {
    await Promise.reject(new Error("caught"));
  } catch ({ message }) {
    seen.push(message);
  }
  return seen;
}

const platform = tool({ name: "platform", description: "Says what there is." }, async () => {
  console.log("out", { a: 1 });
  console.error(new TypeError("err").message);
  return {
    order: await order(),
    random: Math.random(),
    uuid: crypto.randomUUID(),
    url: new URL("../b?x=ä", "https://example.com/a/c").href,
    text: new TextDecoder().decode(new TextEncoder().encode("ä€😀")),
    cloned: structuredClone(new Map([["a", new Date(0)]])).get("a").getTime(),
    late: Date.now() > 1_700_000_000_000,
  };
});

const stuck = tool({ name: "stuck", description: "Waits for ever." }, () => new Promise(() => {}));

const crash = tool({ name: "crash", description: "Calls itself." }, function again() {
  return again() + 1;
});

export default skill({ tools: [platform, stuck, crash] });
