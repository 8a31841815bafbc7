// What an argument may be: a JSON Schema for the model, and the same as a check.

/** Characters of a wrong value or name that an error repeats: enough to recognise it. */
const SHOWN = 40;

/** What a check found wrong: where, within the argument, and why. */
export class Misfit extends Error {
  constructor(reason, path = "") {
    super(reason);
    this.path = path;
  }

  /** The same, seen from what `segment` is a part of. */
  under(segment) {
    return new Misfit(this.message, segment + this.path);
  }
}

/** A kind of value. `check` gives the value as the tool gets it, or throws a `Misfit`. */
class Type {
  constructor(schema, check, { mayBeAbsent = false, fallback } = {}) {
    this.schema = schema;
    this.check = check;
    this.mayBeAbsent = mayBeAbsent;
    this.fallback = fallback;
  }
}

export const isType = (value) => value instanceof Type;

function shown(value) {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  if (typeof value === "object") return "an object";
  const text = JSON.stringify(value) ?? typeof value;
  return text.length > SHOWN ? `a ${typeof value} of ${text.length} characters` : text;
}

const mustBe = (what, value) => new Misfit(`must be ${what}, not ${shown(value)}`);

const KNOWN = new Set(["description", "default", "min", "max", "pattern"]);

/** Options of a type; a text alone is its description. */
function read(options, allowed) {
  const read = typeof options === "string" ? { description: options } : (options ?? {});
  for (const name of Object.keys(read)) {
    if (!KNOWN.has(name) || !allowed.includes(name)) {
      throw new TypeError(`\`${name}\` is no option of this type: there are \`${allowed.join("`, `")}\``);
    }
  }
  return read;
}

function bounds(measure, unit, { min, max }) {
  const plural = (bound) => (unit === "" ? "" : ` ${unit}${bound === 1 ? "" : "s"}`);
  const verb = unit === "" ? "must be" : "must have";
  return (value) => {
    const size = measure(value);
    if (min !== undefined && size < min) throw new Misfit(`${verb} at least ${min}${plural(min)}, not ${size}`);
    if (max !== undefined && size > max) throw new Misfit(`${verb} at most ${max}${plural(max)}, not ${size}`);
    return value;
  };
}

/** Keywords whose value is undefined are left out, as JSON does anyway. */
const schema = (options, keywords) => ({
  ...(options.description === undefined ? {} : { description: options.description }),
  ...keywords,
});

/** With the default, which must itself fit. */
function withDefault(type, options) {
  if (options.default === undefined) return type;
  const fallback = () => type.check(structuredCopy(options.default));
  fallback();
  const withIt = { ...type.schema, default: options.default };
  return new Type(withIt, (value) => (value === null ? fallback() : type.check(value)), { mayBeAbsent: true, fallback });
}

const structuredCopy = (value) => JSON.parse(JSON.stringify(value));

const characters = (text) => [...text].length;

function string(options) {
  const said = read(options, ["description", "default", "min", "max", "pattern"]);
  const pattern = said.pattern === undefined ? undefined : new RegExp(said.pattern, "u");
  const inBounds = bounds(characters, "character", said);
  const keywords = { type: "string", minLength: said.min, maxLength: said.max, pattern: said.pattern };
  const check = (value) => {
    if (typeof value !== "string") throw mustBe("a string", value);
    inBounds(value);
    if (pattern && !pattern.test(value)) throw new Misfit(`must match the pattern \`${said.pattern}\`, not ${shown(value)}`);
    return value;
  };
  return withDefault(new Type(schema(said, keywords), check), said);
}

function numeric(kind, article, fits) {
  return (options) => {
    const said = read(options, ["description", "default", "min", "max"]);
    const inBounds = bounds((value) => value, "", said);
    const check = (value) => {
      if (!fits(value)) throw mustBe(`${article} ${kind}`, value);
      return inBounds(value);
    };
    return withDefault(new Type(schema(said, { type: kind, minimum: said.min, maximum: said.max }), check), said);
  };
}

function boolean(options) {
  const said = read(options, ["description", "default"]);
  const check = (value) => {
    if (typeof value !== "boolean") throw mustBe("true or false", value);
    return value;
  };
  return withDefault(new Type(schema(said, { type: "boolean" }), check), said);
}

function oneOf(names, options) {
  const said = read(options, ["description", "default"]);
  const known = names.map((name) => `\`${name}\``).join(", ");
  const check = (value) => {
    if (!names.includes(value)) throw mustBe(`one of ${known}`, value);
    return value;
  };
  return withDefault(new Type(schema(said, { type: "string", enum: [...names] }), check), said);
}

function array(items, options) {
  const said = read(options, ["description", "default", "min", "max"]);
  const inBounds = bounds((value) => value.length, "item", said);
  const keywords = { type: "array", minItems: said.min, maxItems: said.max, items: items.schema };
  const check = (value) => {
    if (!Array.isArray(value)) throw mustBe("an array", value);
    inBounds(value);
    return value.map((item, index) => within(`[${index}]`, () => items.check(item)));
  };
  return withDefault(new Type(schema(said, keywords), check), said);
}

function record(values, options) {
  const said = read(options, ["description", "default"]);
  const check = (value) => {
    requireObject(value);
    const entries = Object.entries(value);
    return Object.fromEntries(entries.map(([key, item]) => [key, within(`.${key}`, () => values.check(item))]));
  };
  return withDefault(new Type(schema(said, { type: "object", additionalProperties: values.schema }), check), said);
}

function object(fields, options) {
  const said = read(options, ["description", "default"]);
  const { keywords, check } = closed(fields, ".");
  return withDefault(new Type(schema(said, keywords), check), said);
}

function optional(type) {
  const { schema } = type;
  const nullable = { ...schema };
  if (typeof schema.type === "string") nullable.type = [schema.type, "null"];
  if (schema.enum) nullable.enum = [...schema.enum, null];
  const check = (value) => (value === null || value === undefined ? undefined : type.check(value));
  return new Type(nullable, check, { mayBeAbsent: true, fallback: () => undefined });
}

function any(options) {
  const said = read(options, ["description", "default"]);
  return withDefault(new Type(schema(said, {}), (value) => value), said);
}

function within(segment, check) {
  try {
    return check();
  } catch (error) {
    throw error instanceof Misfit ? error.under(segment) : error;
  }
}

function requireObject(value) {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw mustBe("an object", value);
}

/** An object with these fields, and no others; `prefix` is what comes before a field's name in a path. */
export function closed(fields, prefix) {
  for (const [name, type] of Object.entries(fields)) {
    if (!isType(type)) throw new TypeError(`\`${name}\` has no type: make one with \`t\`, such as \`t.string()\``);
  }
  const types = new Map(Object.entries(fields));
  const names = [...types.keys()];
  const check = (value) => {
    requireObject(value);
    for (const name of Object.keys(value)) {
      if (!types.has(name)) throw new Misfit(unknown(name, names));
    }
    const read = ([name, type]) => {
      if (Object.hasOwn(value, name)) return [name, within(prefix + name, () => type.check(value[name]))];
      if (type.mayBeAbsent) return [name, type.fallback()];
      throw new Misfit("is missing", prefix + name);
    };
    return Object.fromEntries([...types].map(read));
  };
  const properties = Object.fromEntries([...types].map(([name, type]) => [name, type.schema]));
  const required = names.filter((name) => !types.get(name).mayBeAbsent);
  return { keywords: { type: "object", properties, required, additionalProperties: false }, check };
}

function unknown(name, names) {
  const known = names.length === 0 ? "there is none" : `there are \`${names.join("`, `")}\``;
  return `has no \`${name.slice(0, SHOWN)}\`: ${known}`;
}

/** Types of arguments and answers. */
export const t = {
  string,
  number: numeric("number", "a", (value) => typeof value === "number" && Number.isFinite(value)),
  integer: numeric("integer", "an", Number.isSafeInteger),
  boolean,
  enum: oneOf,
  array,
  record,
  object,
  optional,
  any,
};
