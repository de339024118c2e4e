/**
 * Says in one wording what a schema expects where it refused a value. The schema library's own messages name what failed
 * first; these name all that would have been right.
 */
import type { core, Schema } from "./schema.js";

/** What was wrong with a value. */
export interface Refusal {
  /** Where: keys from the value that was checked inwards. */
  readonly keys: readonly PropertyKey[];
  /** Such as `expected "all" or a whole number from 0 to 1000000`. */
  readonly expected: string;
  /** Names that would have been right. */
  readonly names: readonly string[];
}

/** One of the things that a schema takes: a value by itself, or a kind of value in words. */
interface Alternative {
  readonly words: string;
  readonly literal?: unknown;
}

/** What is read of the library's definitions. */
interface Definition {
  readonly type: string;
  readonly entries?: Readonly<Record<string, string>>;
  readonly values?: readonly unknown[];
  readonly options?: readonly Schema[];
  readonly innerType?: Schema;
  readonly in?: Schema;
  readonly element?: Schema;
  /** Of a record with keys that are not known. */
  readonly keyType?: Schema;
  readonly valueType?: Schema;
  readonly shape?: Readonly<Record<string, Schema>>;
}

const wordsOf = new WeakMap<object, string>();

/** Gives a schema its words, such as "a whole number from 1 to 512". */
export function inWords<Of extends Schema>(words: string, schema: Of): Of {
  wordsOf.set(schema, words);
  return schema;
}

const definitionOf = (schema: Schema) => schema._zod.def as unknown as Definition;

const literal = (value: unknown): Alternative => ({
  words: typeof value === "string" ? JSON.stringify(value) : String(value),
  literal: value,
});

function alternativesOf(schema: Schema): readonly Alternative[] {
  const words = wordsOf.get(schema);
  if (words !== undefined) return [{ words }];
  const { type, entries = {}, values = [], options = [], innerType, in: input } = definitionOf(schema);
  if (type === "enum") return Object.values(entries).map(literal);
  if (type === "literal") return values.map(literal);
  if (type === "boolean") return [literal(true), literal(false)];
  if (type === "union") return options.flatMap(alternativesOf);
  const inner = innerType ?? input;
  if (inner) return alternativesOf(inner);
  return [{ words: plainWords[type] ?? "another value" }];
}

const plainWords: Readonly<Record<string, string>> = {
  string: "a text",
  number: "a number",
  array: "a list",
  object: "an object",
};

/** Such as `one of "auto", "cuda" or false`. */
function describe(all: readonly Alternative[]): string {
  const texts = all.map(({ words }) => words);
  const last = texts.pop() ?? "another value";
  const list = texts.length === 0 ? last : `${texts.join(", ")} or ${last}`;
  return all.length > 2 && all.every((alternative) => "literal" in alternative) ? `one of ${list}` : list;
}

/** The schema without what only says that the value may be absent or is changed afterwards. */
function bare(schema: Schema): Schema {
  const { innerType, in: input } = definitionOf(schema);
  const inner = innerType ?? input;
  return inner ? bare(inner) : schema;
}

/** The schema for what is at `keys`. */
function schemaAt(schema: Schema, [key, ...rest]: readonly PropertyKey[]): Schema | undefined {
  if (key === undefined) return schema;
  const { shape, element, valueType, options } = definitionOf(bare(schema));
  const next = shape?.[String(key)] ?? element ?? valueType;
  if (next) return schemaAt(next, rest);
  for (const option of options ?? []) {
    const found = schemaAt(option, [key, ...rest]);
    if (found) return found;
  }
  return undefined;
}

/** Whether an alternative may have been meant, because only something inside of the value is wrong. */
const isMeant = ({ errors }: { readonly errors: readonly core.$ZodIssue[] }) =>
  errors.some((issue) => issue.path.length > 0 || isUnknownName(issue));

/** Whether it was not, because the value says itself that it is of another kind, as by `role` or `type`. */
const isKind = ({ code, path }: core.$ZodIssue) => code === "invalid_value" && path.length === 1;

const isUnknownName = ({ code }: core.$ZodIssue) => code === "unrecognized_keys";

/** What `schema` refused, from the issues that it gave. */
export function explain(
  schema: Schema,
  issues: readonly core.$ZodIssue[],
  outer: readonly PropertyKey[] = [],
): Refusal {
  // A name that does not exist was probably meant to be one that is missing.
  const issue = issues.find(isUnknownName) ?? issues[0];
  const path = issue?.path ?? [];
  const keys = [...outer, ...path];
  const at = schemaAt(schema, path);
  if (issue?.code === "unrecognized_keys") {
    const shape = at && definitionOf(bare(at)).shape;
    return { keys: [...keys, issue.keys[0] ?? ""], expected: "no such option", names: Object.keys(shape ?? {}) };
  }
  if (issue?.code === "invalid_key") {
    const record = schemaAt(schema, path.slice(0, -1));
    const { keyType } = record ? definitionOf(bare(record)) : {};
    if (keyType) return expecting(alternativesOf(keyType), keys);
  }
  if (issue?.code === "invalid_union" && at) {
    const options = definitionOf(bare(at)).options ?? [];
    const inside = issue.errors.map((errors, i) => ({ errors, option: options[i] })).filter(isMeant);
    const kind = inside.map(({ errors }) => errors.find(isKind)?.path[0]).find((key) => key !== undefined);
    const meant = inside.find(({ errors }) => !errors.some(isKind)) ?? (inside.length === 1 ? inside[0] : undefined);
    if (meant?.option) return explain(meant.option, meant.errors, keys);
    const kinds = inside.flatMap(({ option }) => (option && kind && schemaAt(option, [kind])) || []);
    if (kind && kinds.length > 0) return expecting(kinds.flatMap(alternativesOf), [...keys, kind]);
  }
  if ((issue?.code === "custom" || !at) && issue?.message) return { keys, expected: issue.message, names: [] };
  if (!at) return { keys, expected: "expected another value", names: [] };
  return expecting(alternativesOf(at), keys);
}

function expecting(all: readonly Alternative[], keys: readonly PropertyKey[]): Refusal {
  const names = all.map(({ literal }) => literal).filter((value): value is string => typeof value === "string");
  return { keys, expected: `expected ${describe(all)}`, names };
}
