/**
 * What answers and inputs of tools have to look like: a JSON schema, or a schema of a library that follows Standard Schema
 * (zod, valibot, arktype; standardschema.dev), which validates and types as well.
 */

import { createError } from "../errors/create-error.js";
import { refusedArgument } from "../internal/check-options.js";

/** A JSON schema. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** One finding of a schema library. */
export interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] };

/** What Standard Schema asks of a library's schemas, and Standard JSON Schema besides. */
export interface StandardSchema<Output = unknown> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
    readonly types?: { readonly input: unknown; readonly output: Output } | undefined;
    readonly jsonSchema?: { readonly input: (options: { readonly target: string }) => JsonSchema } | undefined;
  };
}

/** A schema of either kind. With a JSON schema the value's type is the caller's to say. */
export type AnySchema<Output = unknown> = StandardSchema<Output> | JsonSchema;

export const isStandardSchema = (schema: unknown): schema is StandardSchema =>
  schema !== null && (typeof schema === "object" || typeof schema === "function") && "~standard" in (schema as object);

/**
 * The JSON schema of either kind. Throws ERR_INVALID_ARGUMENT for a library's schema that has none: libraries before
 * Standard JSON Schema have a function of their own for it.
 */
export function jsonSchemaOf(schema: AnySchema, parameter: string): JsonSchema {
  if (!isStandardSchema(schema)) return schema;
  const { vendor, jsonSchema } = schema["~standard"];
  if (jsonSchema) {
    try {
      return jsonSchema.input({ target: "draft-07" });
    } catch (cause) {
      throw createError("ERR_SCHEMA_UNSUPPORTED", `${parameter}: ${vendor} has no JSON schema for it`, {}, cause);
    }
  }
  const own = (schema as { toJsonSchema?: unknown; toJSONSchema?: unknown }).toJsonSchema;
  if (typeof own === "function") return own.call(schema) as JsonSchema;
  throw refusedArgument(
    parameter,
    "expected a JSON schema, or a schema that gives one (Standard JSON Schema)",
    `a schema of ${vendor} that gives none; convert it first`,
  );
}

/** What llama.cpp's converter turns into a grammar, and what says nothing about a value. */
const known = new Set([
  ...["type", "enum", "const", "properties", "required", "additionalProperties", "items", "prefixItems"],
  ...["minItems", "maxItems", "minLength", "maxLength", "pattern", "minimum", "maximum", "exclusiveMinimum"],
  ...["exclusiveMaximum", "anyOf", "oneOf", "allOf", "$ref", "$defs", "definitions", "format", "nullable"],
  ...["title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly"],
  ...["$schema", "$id", "$comment", "$anchor", "id", "~standard"],
]);

/** Bounds of numbers bind whole numbers only. */
const bounds = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"] as const;

/** What the converter has rules for; other formats would be any text. */
const formats = new Set(["date", "time", "date-time", "uuid", "uuid1", "uuid2", "uuid3", "uuid4", "uuid5"]);

function refuse(keyword: string, pointer: string): never {
  throw createError(
    "ERR_SCHEMA_UNSUPPORTED",
    `the JSON schema's ${JSON.stringify(keyword)} at ${pointer || "/"} cannot be turned into a grammar`,
    { keyword, pointer },
  );
}

const isObject = (value: unknown): value is JsonSchema =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function checkValue(schema: JsonSchema, pointer: string): void {
  for (const [keyword, value] of Object.entries(schema))
    if (!known.has(keyword) && value !== undefined) refuse(keyword, pointer);
  if (typeof schema.format === "string" && !formats.has(schema.format)) refuse("format", pointer);
  for (const bound of bounds) if (schema[bound] !== undefined && schema.type !== "integer") refuse(bound, pointer);
  if (schema.pattern !== undefined && schema.format !== undefined) refuse("format", pointer);
}

/**
 * Throws ERR_SCHEMA_UNSUPPORTED, naming the keyword, for what a grammar of llama.cpp would leave out: the answer would then
 * have the schema's form without keeping to it.
 */
export function checkGrammarSchema(schema: unknown, pointer = ""): void {
  if (!isObject(schema)) return;
  checkValue(schema, pointer);
  const inside = (keyword: string, value: unknown) => checkGrammarSchema(value, `${pointer}/${keyword}`);
  for (const keyword of ["properties", "$defs", "definitions"])
    for (const [name, value] of Object.entries(isObject(schema[keyword]) ? schema[keyword] : {}))
      inside(`${keyword}/${name}`, value);
  for (const keyword of ["items", "additionalProperties"]) inside(keyword, schema[keyword]);
  for (const keyword of ["anyOf", "oneOf", "allOf", "prefixItems", "items"]) {
    const list = schema[keyword];
    if (Array.isArray(list)) for (const [i, value] of list.entries()) inside(`${keyword}/${i}`, value);
  }
}

/** The value as the schema has it. A JSON schema lets everything pass: the grammar held the model to it already. */
export async function validate(
  schema: AnySchema,
  value: unknown,
): Promise<{ readonly value: unknown; readonly issues?: undefined } | { readonly issues: string }> {
  if (!isStandardSchema(schema)) return { value };
  const result = await schema["~standard"].validate(value);
  if (!result.issues) return { value: result.value };
  const at = (path: SchemaIssue["path"]) =>
    (path ?? []).map((key) => String(typeof key === "object" ? key.key : key)).join(".");
  return {
    issues: result.issues.map(({ message, path }) => (at(path) ? `${at(path)}: ${message}` : message)).join("; "),
  };
}
