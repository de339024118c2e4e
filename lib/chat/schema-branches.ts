/** Whether the alternatives of a JSON schema exclude each other: by type, by constants, or by a property that tells them. */

import type { JsonSchema } from "./json-schema.js";

const isObject = (value: unknown): value is JsonSchema =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function resolved(schema: JsonSchema, root: JsonSchema): JsonSchema {
  let at = schema;
  for (let depth = 0; typeof at.$ref === "string" && depth < 100; depth++) {
    const target = at.$ref
      .slice(2)
      .split("/")
      .reduce<unknown>((value, key) => (value as Readonly<Record<string, unknown>> | undefined)?.[key], root);
    if (!isObject(target)) break;
    at = target;
  }
  return at;
}

function constantsOf(schema: JsonSchema): readonly string[] | undefined {
  const values = schema.const !== undefined ? [schema.const] : schema.enum;
  return Array.isArray(values) ? values.map((value) => JSON.stringify(value)) : undefined;
}

const typeOf = (json: string) => {
  const value: unknown = JSON.parse(json);
  return value === null ? "null" : Array.isArray(value) ? "array" : typeof value;
};

/** Types as JSON tells them apart; undefined where a value may have any. */
function typesOf(schema: JsonSchema): readonly string[] | undefined {
  const { type } = schema;
  if (type === undefined) return constantsOf(schema)?.map(typeOf);
  return (Array.isArray(type) ? type : [type]).map((name) => (name === "integer" ? "number" : String(name)));
}

const apart = (a: readonly string[] | undefined, b: readonly string[] | undefined) =>
  a !== undefined && b !== undefined && !a.some((value) => b.includes(value));

function excludeEachOther(first: JsonSchema, second: JsonSchema, root: JsonSchema): boolean {
  const [a, b] = [resolved(first, root), resolved(second, root)];
  if (apart(typesOf(a), typesOf(b)) || apart(constantsOf(a), constantsOf(b))) return true;
  const properties = isObject(a.properties) && isObject(b.properties) ? a.properties : {};
  return Object.keys(properties).some((name) => {
    const [own, other] = [a, b].map((schema) => (schema.properties as JsonSchema)[name]);
    const both = [a, b].every(({ required }) => Array.isArray(required) && required.includes(name));
    return (
      both &&
      isObject(own) &&
      isObject(other) &&
      apart(constantsOf(resolved(own, root)), constantsOf(resolved(other, root)))
    );
  });
}

export function areDisjoint(schemas: readonly JsonSchema[], root: JsonSchema): boolean {
  const constants = schemas.map((schema) => constantsOf(resolved(schema, root)));
  // Lists of constants are long at times, and pairs of them are many.
  if (constants.every((values) => values !== undefined)) {
    const all = constants.flatMap((values) => [...new Set(values)]);
    return new Set(all).size === all.length;
  }
  return schemas.every((one, i) => schemas.slice(i + 1).every((other) => excludeEachOther(one, other, root)));
}
