/** Which JSON schemas become grammars, and in which words; what a grammar would leave out is refused by name and place. */

import test from "ava";
import fc from "fast-check";
import { z } from "zod";
import { grammarPattern } from "../../lib/chat/grammar-pattern.js";
import { grammarSchema } from "../../lib/chat/grammar-schema.js";
import type { JsonSchema } from "../../lib/index.js";
import { refusal } from "../engine/fixtures.js";

const text = { type: "string" } as const;
const one = { type: "object", properties: { a: text }, required: ["a"] } as const;
const two = { type: "object", properties: { b: text } } as const;

const refused: readonly (readonly [schema: JsonSchema, keyword: string, pointer?: string])[] = [
  [{ type: "object", patternProperties: {} }, "patternProperties"],
  [{ type: "object", propertyNames: { maxLength: 3 } }, "propertyNames"],
  [{ type: "object", minProperties: 1 }, "minProperties"],
  [{ type: "object", dependentRequired: {} }, "dependentRequired"],
  [{ type: "object", unevaluatedProperties: false }, "unevaluatedProperties"],
  [{ not: {} }, "not"],
  [{ if: {} }, "if"],
  [{ type: "array", uniqueItems: true }, "uniqueItems"],
  [{ type: "array", contains: {} }, "contains"],
  [{ type: "number", multipleOf: 2 }, "multipleOf"],
  [{ type: "string", nullable: true }, "nullable"],
  [{ type: "string", contentEncoding: "base64" }, "contentEncoding"],
  [{ type: "text" }, "type"],
  [{ type: [] }, "type"],
  [{ type: "number", minimum: 0 }, "minimum"],
  [{ type: ["number", "null"], maximum: 0 }, "maximum"],
  [{ minimum: 0 }, "minimum"],
  [{ minItems: 1 }, "minItems"],
  [{ required: ["a"] }, "required"],
  [{ ...one, required: ["a", "b"] }, "required"],
  [{ type: "object", required: ["a"] }, "required"],
  [{ ...one, additionalProperties: text }, "additionalProperties"],
  [{ type: "object", properties: { a: true } }, "a", "/properties"],
  [{ type: "object", properties: { a: { type: "string", format: "email" } } }, "format", "/properties/a"],
  [{ $defs: { a: { not: {} } } }, "not", "/$defs/a"],
  [{ type: "array", items: false }, "items"],
  [{ type: "array", items: [text], additionalItems: text }, "additionalItems"],
  [{ type: "array", prefixItems: [text], items: text }, "items"],
  [{ type: "array", prefixItems: [text], minItems: 2 }, "minItems"],
  [{ type: "array", prefixItems: [text, text], maxItems: 1 }, "maxItems"],
  [{ type: "array", minItems: 3, maxItems: 2 }, "maxItems"],
  [{ type: "array", maxItems: 2001 }, "maxItems"],
  [{ type: "array", items: { type: "string", maxLength: 2001 } }, "maxLength", "/items"],
  [{ type: "string", minLength: -1 }, "minLength"],
  [{ type: "string", format: "date", minLength: 1 }, "minLength"],
  [{ type: "string", pattern: "^a+$", maxLength: 3 }, "maxLength"],
  [{ type: "string", pattern: "^(?=a)a$" }, "pattern"],
  [{ type: "string", pattern: '^"$' }, "pattern"],
  [{ type: "string", pattern: "(" }, "pattern"],
  [{ type: "integer", minimum: 2, maximum: 1 }, "maximum"],
  [{ type: "integer", exclusiveMinimum: true }, "exclusiveMinimum"],
  [{ type: "integer", minimum: 1e300 }, "minimum"],
  [{ enum: [] }, "enum"],
  [{ type: "string", enum: ["a", 1] }, "enum"],
  [{ type: "string", const: 1 }, "const"],
  [{ enum: ["a"], minLength: 1 }, "minLength"],
  [{ anyOf: [] }, "anyOf"],
  [{ anyOf: [text], type: "string" }, "type"],
  [{ anyOf: [text], oneOf: [text] }, "anyOf"],
  [{ oneOf: [text, { type: "string", minLength: 2 }] }, "oneOf"],
  [{ oneOf: [{ type: "integer" }, { type: "number" }] }, "oneOf"],
  [{ allOf: [text, { type: "string", minLength: 2 }] }, "allOf"],
  [{ allOf: [one, one] }, "allOf"],
  [{ allOf: [one, { ...two, additionalProperties: false }] }, "allOf"],
  [{ $ref: "#/$defs/none" }, "$ref"],
  [{ $ref: "other.json" }, "$ref"],
  [{ $ref: "#/$defs/a", type: "string", $defs: { a: text } }, "type"],
  [{ $ref: "#/$defs/a", $defs: { a: { $ref: "#/$defs/a" } } }, "$ref", "/$defs/a"],
  [
    { anyOf: [{ $ref: "#/$defs/a_b" }, { $ref: "#/$defs/a-b" }], $defs: { a_b: text, "a-b": { type: "null" } } },
    ...(["$ref", "/anyOf/1"] as const),
  ],
];

for (const [schema, keyword, pointer = ""] of refused)
  test(`refused: ${keyword} of ${JSON.stringify(schema)}`, async (t) => {
    const error = await refusal(t, "ERR_SCHEMA_UNSUPPORTED", () => grammarSchema(schema));
    t.deepEqual(error.details, { keyword, pointer });
  });

const said: readonly (readonly [schema: JsonSchema, expected: JsonSchema])[] = [
  [
    { type: "object", propertyNames: text, additionalProperties: text },
    { type: "object", additionalProperties: text },
  ],
  [{}, {}],
  [
    { type: "object", properties: {}, title: "x", default: 1 },
    { type: "object", properties: {}, title: "x", default: 1 },
  ],
  [{ ...one, additionalProperties: true }, one],
  [{ ...one, additionalProperties: {} }, one],
  [
    { ...one, additionalProperties: false },
    { ...one, additionalProperties: false },
  ],
  [
    { type: "string", minItems: 3, minimum: 4 },
    { type: "string", minItems: 3, minimum: 4 },
  ],
  [
    { type: "integer", exclusiveMinimum: 0.5, minimum: -3, exclusiveMaximum: 9 },
    { type: "integer", minimum: 1, maximum: 8 },
  ],
  [
    { type: "array", items: [text], additionalItems: false },
    { type: "array", items: [text] },
  ],
  [
    { type: "array", prefixItems: [text], items: false },
    { type: "array", prefixItems: [text] },
  ],
  [
    { type: "string", format: "uuid", pattern: "^ab$" },
    { type: "string", pattern: "^(ab)$" },
  ],
  [
    { allOf: [{ $ref: "#/$defs/a" }], title: "x", $defs: { a: text } },
    { $ref: "#/$defs/a", title: "x", $defs: { a: text } },
  ],
  [{ allOf: [one, two] }, { type: "object", properties: { a: text, b: text }, required: ["a"] }],
  [{ oneOf: [text, { type: "null" }] }, { oneOf: [text, { type: "null" }] }],
];

test("a bound of whole numbers alone gets another one", (t) => {
  const most = 999_999_999_999_999;
  t.deepEqual(grammarSchema({ type: "integer", maximum: -5 }), { type: "integer", minimum: -most, maximum: -5 });
  t.deepEqual(grammarSchema({ type: "integer", minimum: 5 }), { type: "integer", minimum: 5, maximum: most });
});

test("what a grammar can say is said, in the converter's words", (t) => {
  for (const [schema, expected] of said) t.deepEqual(grammarSchema(schema), expected, JSON.stringify(schema));
});

const patterns = [
  ...["^[A-Z]{2}-\\d{3,5}$", "\\w+@\\w+\\.com", "^a|b$", "^.{3}$", "^[^\\s@]+$", "^(?:GET|POST) /\\S*$", "x"],
  ...["^(?<year>\\d{4})$", "^a*?b+?$", "^[\\w.+-]+$", "^[\\x41-\\u00ff]+$", "^\\.\\*\\$$", "^[^a\\]]$", "^\\D\\W$"],
  z.toJSONSchema(z.iso.date()).pattern as string,
  z.toJSONSchema(z.uuid()).pattern as string,
];

test("a pattern's grammar makes nothing that the pattern does not match, nor anything that JSON escapes", (t) => {
  for (const pattern of patterns) {
    const rewritten = grammarPattern(pattern);
    if (rewritten === undefined) {
      t.fail(`not rewritten: ${pattern}`);
      continue;
    }
    const asRegExp = new RegExp(rewritten.replace(/\\U0*([0-9A-F]+)/g, "\\u{$1}"), "u");
    const wanted = new RegExp(pattern, "u");
    for (const made of fc.sample(fc.stringMatching(asRegExp, { maxLength: 40 }), { numRuns: 50, seed: 1 })) {
      t.regex(made, wanted);
      t.is(JSON.stringify(made).length, made.length + 2, made);
    }
  }
});

test("what a pattern asks for beyond that is refused", (t) => {
  for (const pattern of [
    "(?!a)b",
    "(?<=a)b",
    "(a)\\1",
    "\\bword\\b",
    "\\p{L}",
    '"',
    "\\\\",
    "\\n",
    "[\\n]",
    "^a$|^b$",
    "a{2001}",
    "[\\D]",
    "^$",
    "a|",
    "()",
  ])
    t.is(grammarPattern(pattern), undefined, pattern);
});
