/**
 * JSON schemas as llama.cpp's converter (common/json-schema.cpp) is to get them. It reads one kind of keywords a schema, by
 * `$ref`, `oneOf`, `anyOf`, `const`, `enum` and `type` in this order, and says nothing of what it leaves out: the answer
 * would then have the schema's form without keeping to it. What it would leave out is refused here, or said in its words.
 */

import { createError } from "../errors/create-error.js";
import { grammarPattern } from "./grammar-pattern.js";
import type { JsonSchema } from "./json-schema.js";
import { areDisjoint } from "./schema-branches.js";

/** What says nothing about a value. */
const annotations = new Set([
  ...["title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly"],
  ...["$schema", "$id", "$comment", "$anchor", "id", "$defs", "definitions", "~standard"],
]);

const counts = ["minItems", "maxItems", "minLength", "maxLength"] as const;
const bounds = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"] as const;

/** The keywords that concern values of a type; those of other types say nothing. */
const keywordsOf: Readonly<Record<string, readonly string[]>> = {
  object: ["properties", "required", "additionalProperties"],
  array: ["items", "prefixItems", "additionalItems", "minItems", "maxItems"],
  string: ["pattern", "minLength", "maxLength", "format"],
  integer: bounds,
  number: bounds,
  boolean: [],
  null: [],
};
const ofSomeType = new Set(Object.values(keywordsOf).flat());
const composed = new Set(["$ref", "oneOf", "anyOf", "allOf", "const", "enum", "type"]);

/** What the converter has rules for; other formats would be any text. */
const formats = new Set(["date", "time", "date-time", "uuid", "uuid1", "uuid2", "uuid3", "uuid4", "uuid5"]);

/** llama.cpp's grammars make "without end" of more. */
const mostRepetitions = 2000;

/** A keyword that no grammar can say, and the place of the schema that has it. */
export interface UnsayableKeyword {
  readonly keyword: string;
  readonly pointer: string;
}

class Refusal extends Error {
  constructor(readonly refused: UnsayableKeyword) {
    super();
  }
}

function refuse(keyword: string, pointer: string): never {
  throw new Refusal({ keyword, pointer });
}

/** Whole numbers of an answer have at most so many digits where they have bounds: JavaScript's are exact there. */
const mostDigits = 10 ** 15 - 1;

const isObject = (value: unknown): value is JsonSchema =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const typeOf = (value: unknown) =>
  value === null ? "null" : Array.isArray(value) ? "array" : Number.isInteger(value) ? "integer" : typeof value;

const isOfType = (value: unknown, type: string) =>
  typeOf(value) === type || (type === "number" && typeof value === "number");

type Draft = Record<string, unknown>;

/** The types that a schema names; undefined if it names none. */
function typesOf(schema: JsonSchema, pointer: string): readonly string[] | undefined {
  if (schema.type === undefined) return undefined;
  const types: readonly unknown[] = Array.isArray(schema.type) ? schema.type : [schema.type];
  if (types.length === 0 || !types.every((type) => typeof type === "string" && Object.hasOwn(keywordsOf, type)))
    refuse("type", pointer);
  return types as readonly string[];
}

class Rewriter {
  /** What was refused: at each place that has no refused place within it, all that can be told at once. */
  readonly refused: UnsayableKeyword[] = [];
  readonly #root: JsonSchema;
  /** By the name that the converter gives their rules. */
  readonly #references = new Map<string, string>();
  /** Those that lead to a schema that says something. */
  readonly #sound = new Set<string>();

  constructor(root: JsonSchema) {
    this.#root = root;
  }

  /** A schema of any place. */
  schema(schema: unknown, pointer: string, keyword: string): JsonSchema {
    if (!isObject(schema)) refuse(keyword, pointer);
    const inside = `${pointer}/${keyword}`;
    return this.node(schema, keyword === "" ? "" : inside);
  }

  /** A place with something refused is replaced by one that says nothing, and what is around it goes on. */
  node(given: JsonSchema, pointer: string): JsonSchema {
    const before = this.refused.length;
    try {
      return this.#rewritten(given, pointer);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      // What is refused because of what was refused within may be right once that is gone.
      if (this.refused.length === before) this.refused.push(error.refused);
      return {};
    }
  }

  #rewritten(given: JsonSchema, pointer: string): JsonSchema {
    const out: Draft = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
    // Names are texts anyway; zod's records say so.
    if (JSON.stringify(out.propertyNames) === '{"type":"string"}') delete out.propertyNames;
    for (const keyword of Object.keys(out))
      if (!annotations.has(keyword) && !composed.has(keyword) && !ofSomeType.has(keyword)) {
        this.refused.push({ keyword, pointer });
        delete out[keyword];
      }
    for (const keyword of ["$defs", "definitions"])
      if (out[keyword] !== undefined) out[keyword] = this.#map(out[keyword], pointer, keyword);
    const types = typesOf(out, pointer);
    if (out.$ref !== undefined) this.#reference(out, pointer);
    else if (out.oneOf !== undefined) this.#alternatives(out, "oneOf", pointer);
    else if (out.anyOf !== undefined) this.#alternatives(out, "anyOf", pointer);
    else if (out.const !== undefined) this.#constants(out, "const", [out.const], types, pointer);
    else if (out.enum !== undefined) this.#constants(out, "enum", out.enum, types, pointer);
    else if (out.allOf !== undefined) return this.#all(out, pointer);
    else this.#typed(out, types, pointer);
    return out;
  }

  #map(value: unknown, pointer: string, keyword: string): JsonSchema {
    if (!isObject(value)) refuse(keyword, pointer);
    const inside = `${pointer}/${keyword}`;
    const schemas = Object.entries(value).flatMap(([name, inner]) => {
      if (isObject(inner)) return [[name, this.schema(inner, inside, name)] as const];
      this.refused.push({ keyword: name, pointer: inside });
      return [];
    });
    return Object.fromEntries(schemas);
  }

  #list(value: unknown, pointer: string, keyword: string): readonly JsonSchema[] {
    if (!Array.isArray(value) || value.length === 0) refuse(keyword, pointer);
    return value.map((inner, i) => this.schema(inner, `${pointer}/${keyword}`, String(i)));
  }

  /** Beside `keywords`, the converter looks at nothing. */
  #only(out: Draft, pointer: string, ...keywords: readonly string[]): void {
    for (const keyword of Object.keys(out))
      if (!annotations.has(keyword) && !keywords.includes(keyword)) refuse(keyword, pointer);
  }

  #reference(out: Draft, pointer: string): void {
    this.#only(out, pointer, "$ref");
    const reference = out.$ref;
    if (typeof reference !== "string" || !reference.startsWith("#/") || /[~%]/.test(reference)) refuse("$ref", pointer);
    // Two references with one name of a rule would be one.
    const rule = reference.replace(/[^a-zA-Z0-9-]+/g, "-");
    const other = this.#references.get(rule) ?? reference;
    if (other !== reference) refuse("$ref", pointer);
    const passed = new Set<string>();
    for (let at = reference; !this.#sound.has(at); ) {
      const target = at
        .slice(2)
        .split("/")
        .reduce<unknown>((value, key) => (value as Draft | undefined)?.[key], this.#root);
      // A reference that comes back to itself says nothing.
      if (!isObject(target) || passed.has(at)) refuse("$ref", pointer);
      passed.add(at);
      if (typeof target.$ref !== "string") break;
      at = target.$ref;
    }
    for (const at of passed) this.#sound.add(at);
    this.#references.set(rule, reference);
  }

  #alternatives(out: Draft, keyword: "oneOf" | "anyOf", pointer: string): void {
    this.#only(out, pointer, keyword);
    const list = this.#list(out[keyword], pointer, keyword);
    // The converter takes any of them; a value that two would take is none of oneOf's.
    if (keyword === "oneOf" && !areDisjoint(list, this.#root)) refuse(keyword, pointer);
    out[keyword] = list;
  }

  #constants(
    out: Draft,
    keyword: string,
    values: unknown,
    types: readonly string[] | undefined,
    pointer: string,
  ): void {
    this.#only(out, pointer, keyword, "type");
    if (!Array.isArray(values) || values.length === 0) refuse(keyword, pointer);
    if (types && !values.every((value) => types.some((type) => isOfType(value, type)))) refuse(keyword, pointer);
  }

  /** Objects, each with its own properties, are one object; a single schema is that schema. */
  #all(out: Draft, pointer: string): JsonSchema {
    const { allOf, ...own } = out;
    const parts = [...this.#list(allOf, pointer, "allOf")];
    const notes = Object.fromEntries(Object.entries(own).filter(([keyword]) => annotations.has(keyword)));
    const rest = Object.keys(own).filter((keyword) => !annotations.has(keyword));
    if (rest.some((keyword) => keyword !== "type")) parts.push(this.node({ ...own, ...withoutDefinitions }, pointer));
    const [first] = parts;
    if (parts.length === 1 && first && rest.length === 0) return { ...first, ...notes };
    const properties: Draft = {};
    const required: unknown[] = [];
    for (const part of parts) {
      this.#joinable(part, pointer);
      for (const [name, value] of Object.entries(part.properties as JsonSchema)) {
        if (Object.hasOwn(properties, name)) refuse("allOf", pointer);
        properties[name] = value;
      }
      required.push(...((part.required as readonly unknown[] | undefined) ?? []));
    }
    if (own.type !== undefined && own.type !== "object") refuse("allOf", pointer);
    return { ...notes, type: "object", properties, required };
  }

  #joinable(part: JsonSchema, pointer: string): void {
    const isPlain = Object.keys(part).every(
      (keyword) => annotations.has(keyword) || ["type", "properties", "required"].includes(keyword),
    );
    if (!isPlain || !isObject(part.properties) || (part.type ?? "object") !== "object") refuse("allOf", pointer);
  }

  #typed(out: Draft, types: readonly string[] | undefined, pointer: string): void {
    const kinds = types ?? [impliedType(out)];
    for (const kind of kinds) {
      if (kind === undefined) {
        for (const keyword of Object.keys(out)) if (ofSomeType.has(keyword)) refuse(keyword, pointer);
      } else if (kind === "object") this.#object(out, pointer);
      else if (kind === "array") this.#array(out, pointer);
      else if (kind === "string") this.#string(out, pointer);
      else if (kind === "integer") this.#integer(out, pointer);
      else if (kind === "number") for (const bound of bounds) if (out[bound] !== undefined) refuse(bound, pointer);
    }
  }

  #object(out: Draft, pointer: string): void {
    const { additionalProperties } = out;
    if (out.properties !== undefined) out.properties = this.#map(out.properties, pointer, "properties");
    const names = new Set<unknown>(Object.keys((out.properties as JsonSchema | undefined) ?? {}));
    const required = out.required ?? [];
    if (!Array.isArray(required) || !required.every((name) => names.has(name))) refuse("required", pointer);
    if (isObject(additionalProperties))
      out.additionalProperties = this.schema(additionalProperties, pointer, "additionalProperties");
    else if (additionalProperties !== undefined && typeof additionalProperties !== "boolean")
      refuse("additionalProperties", pointer);
    if (names.size === 0 || additionalProperties === undefined || additionalProperties === false) return;
    // Names beside given ones: the converter's rule for them also makes names that are no JSON. Nothing has to be there.
    if (isObject(additionalProperties) && Object.keys(additionalProperties).length > 0)
      refuse("additionalProperties", pointer);
    delete out.additionalProperties;
  }

  #array(out: Draft, pointer: string): void {
    this.#counts(out, "minItems", "maxItems", pointer);
    if (out.items === true) delete out.items;
    const tuple = Array.isArray(out.items) ? "items" : out.prefixItems !== undefined ? "prefixItems" : undefined;
    if (tuple === undefined) {
      if (out.items !== undefined) out.items = this.schema(out.items, pointer, "items");
      if (out.additionalItems !== undefined) delete out.additionalItems;
      return;
    }
    if (tuple === "prefixItems" && out.items === false) delete out.items;
    if (tuple === "items" && out.additionalItems === false) delete out.additionalItems;
    // The converter makes exactly as many as are listed.
    for (const more of ["items", "prefixItems", "additionalItems"])
      if (more !== tuple && out[more] !== undefined) refuse(more, pointer);
    const list = this.#list(out[tuple], pointer, tuple);
    if (Number(out.minItems ?? 0) > list.length) refuse("minItems", pointer);
    if (Number(out.maxItems ?? list.length) < list.length) refuse("maxItems", pointer);
    out[tuple] = list;
  }

  #string(out: Draft, pointer: string): void {
    const { pattern, format } = out;
    this.#counts(out, "minLength", "maxLength", pointer);
    const only = pattern !== undefined ? "pattern" : format !== undefined ? "format" : undefined;
    for (const keyword of only ? (["minLength", "maxLength"] as const) : [])
      if (out[keyword] !== undefined) refuse(keyword, pointer);
    if (pattern !== undefined) {
      const rewritten = typeof pattern === "string" ? grammarPattern(pattern) : undefined;
      if (rewritten === undefined) refuse("pattern", pointer);
      out.pattern = rewritten;
      // It is the pattern that says how such a text looks: libraries give both.
      delete out.format;
    } else if (format !== undefined && !formats.has(String(format))) refuse("format", pointer);
  }

  #integer(out: Draft, pointer: string): void {
    for (const bound of bounds) if (out[bound] !== undefined && !Number.isFinite(out[bound])) refuse(bound, pointer);
    const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = out as Readonly<
      Record<string, number | undefined>
    >;
    const lowest = Math.max(Math.ceil(minimum ?? -Infinity), Math.floor(exclusiveMinimum ?? -Infinity) + 1);
    const highest = Math.min(Math.floor(maximum ?? Infinity), Math.ceil(exclusiveMaximum ?? Infinity) - 1);
    if (lowest > highest) refuse(maximum === undefined ? "exclusiveMaximum" : "maximum", pointer);
    if (lowest > mostDigits) refuse("minimum", pointer);
    if (highest < -mostDigits) refuse("maximum", pointer);
    for (const bound of bounds) delete out[bound];
    if (lowest === -Infinity && highest === Infinity) return;
    // With one bound alone, the converter's rule also makes zeros in front.
    out.minimum = Math.max(lowest, -mostDigits);
    out.maximum = Math.min(highest, mostDigits);
  }

  #counts(out: Draft, least: (typeof counts)[number], most: (typeof counts)[number], pointer: string): void {
    for (const keyword of [least, most]) {
      const count = out[keyword];
      if (count === undefined) continue;
      if (!Number.isInteger(count) || (count as number) < 0 || (count as number) > mostRepetitions)
        refuse(keyword, pointer);
    }
    if (Number(out[least] ?? 0) > Number(out[most] ?? mostRepetitions)) refuse(most, pointer);
  }
}

const withoutDefinitions = { $defs: undefined, definitions: undefined };

/** What the converter takes a schema without a type for. */
function impliedType(schema: JsonSchema): string | undefined {
  const { properties, additionalProperties = true } = schema;
  if (properties !== undefined || additionalProperties !== true) return "object";
  if (schema.items !== undefined || schema.prefixItems !== undefined) return "array";
  const ofText = [schema.pattern, schema.minLength, schema.maxLength, schema.format];
  return ofText.some((value) => value !== undefined) ? "string" : undefined;
}

/** The schema for the converter, or what in it no grammar can say: what else there is may be told once that is gone. */
export function tryGrammarSchema(
  schema: JsonSchema,
): { readonly schema: JsonSchema } | { readonly refused: readonly UnsayableKeyword[] } {
  const rewriter = new Rewriter(schema);
  const rewritten = rewriter.node(schema, "");
  return rewriter.refused.length === 0 ? { schema: rewritten } : { refused: rewriter.refused };
}

/** Throws ERR_SCHEMA_UNSUPPORTED, naming the keyword and its place, for what a grammar cannot say. */
export function grammarSchema(schema: JsonSchema): JsonSchema {
  const tried = tryGrammarSchema(schema);
  if ("schema" in tried) return tried.schema;
  const [{ keyword, pointer }] = tried.refused as readonly [UnsayableKeyword];
  throw createError(
    "ERR_SCHEMA_UNSUPPORTED",
    `the JSON schema's ${JSON.stringify(keyword)} at ${pointer || "/"} cannot be turned into a grammar`,
    { keyword, pointer },
  );
}
