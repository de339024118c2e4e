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

/** By its function: a JSON schema that came over the wire has none, whatever it calls its members. */
export const isStandardSchema = (schema: unknown): schema is StandardSchema =>
  schema !== null &&
  (typeof schema === "object" || typeof schema === "function") &&
  typeof (schema as Partial<StandardSchema>)["~standard"]?.validate === "function";

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
