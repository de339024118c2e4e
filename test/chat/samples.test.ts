/** Whatever random weights write under the grammar of a schema is what the schema asks for, judged by another library. */

import { Ajv } from "ajv";
import addFormats from "ajv-formats";
import test from "ava";
import fc from "fast-check";
import type { JsonSchema } from "../../lib/index.js";
import { chatPair } from "./fixtures.js";

const texts: fc.Arbitrary<JsonSchema> = fc.oneof(
  fc.record({ type: fc.constant("string"), minLength: fc.nat(3), maxLength: fc.integer({ min: 3, max: 8 }) }),
  fc.constantFrom(
    ...[
      "^[A-Z]{2}-\\d{1,3}$",
      "^.{2,5}$",
      "^[^\\s@]{1,4}@\\w{1,3}\\.(com|at)$",
      "^(GET|POST) /\\S{0,3}$",
      "^\\D\\W$",
    ].map((pattern) => ({ type: "string", pattern })),
  ),
  fc.constantFrom("uuid", "time").map((format) => ({ type: "string", format })),
);

const numbers: fc.Arbitrary<JsonSchema> = fc.oneof(
  fc.tuple(fc.integer({ min: -2000, max: 2000 }), fc.nat(3000)).map(([minimum, more]) => ({
    ...{ type: "integer", minimum, maximum: minimum + more },
  })),
  fc.integer({ min: -50, max: 50 }).map((exclusiveMinimum) => ({ type: "integer", exclusiveMinimum })),
  fc.integer({ min: -50, max: 50 }).map((maximum) => ({ type: "integer", maximum })),
  fc.constantFrom({ type: "integer" }, { type: "number" }),
);

const leaves: fc.Arbitrary<JsonSchema> = fc.oneof(
  texts,
  numbers,
  fc.constantFrom<JsonSchema>(
    { type: "boolean" },
    { type: "null" },
    { const: { a: [1, "x"] } },
    { type: ["integer", "null"] },
  ),
  fc
    .uniqueArray(fc.constantFrom("a", 'q"\\', "x", 1, null, true), { minLength: 1 })
    .map((values) => ({ enum: values })),
);

const { schema: schemas } = fc.letrec<{ schema: JsonSchema }>((tie) => ({
  schema: fc.oneof(
    { maxDepth: 2, depthSize: "small" },
    { weight: 3, arbitrary: leaves },
    {
      weight: 3,
      arbitrary: fc
        .dictionary(fc.constantFrom("a", "b b", 'c"', "d-d", "e_"), tie("schema"), { minKeys: 1, maxKeys: 3 })
        .chain((properties) =>
          fc.record({
            type: fc.constant("object"),
            properties: fc.constant(properties),
            required: fc.subarray(Object.keys(properties)),
            additionalProperties: fc.boolean(),
          }),
        ),
    },
    {
      weight: 1,
      arbitrary: fc.tuple(tie("schema"), fc.nat(2)).map(([items, minItems]) => ({
        ...{ type: "array", items, minItems, maxItems: minItems + 1 },
      })),
    },
    {
      weight: 1,
      arbitrary: fc.array(tie("schema"), { minLength: 1, maxLength: 2 }).map((items) => ({
        ...{ type: "array", items, minItems: items.length, additionalItems: false },
      })),
    },
    { weight: 1, arbitrary: fc.array(tie("schema"), { minLength: 1, maxLength: 3 }).map((anyOf) => ({ anyOf })) },
    {
      weight: 1,
      arbitrary: leaves.map((leaf) => ({
        ...{ type: "object", properties: { next: { $ref: "#/definitions/list" } }, definitions: {} },
        definitions: {
          list: { type: "object", properties: { leaf, next: { $ref: "#/definitions/list" } }, required: ["leaf"] },
        },
      })),
    },
  ),
}));

test.serial("1,000 samples of generated schemas are valid", async (t) => {
  const pair = await chatPair(t);
  const ajv = new Ajv({ strict: false, unicodeRegExp: true });
  addFormats.default(ajv);
  // Random weights would write long numbers and deep lists: what ends something is likelier.
  const logitBias = new Map<number, number>(['"', "}", "]"].map((end) => [pair.tokenize(end)[0] ?? 0, 3]));
  // Bytes that make no character lead into dead ends, which models of texts do not write.
  for (let token = 0; token < pair.info.prefill.vocabularySize - 2; token++)
    if (!/^[ -~\n]+$/.test(pair.detokenize([token]))) logitBias.set(token, Number.NEGATIVE_INFINITY);
  let judged = 0;
  for (const [i, schema] of fc.sample(schemas, { numRuns: 250, seed: 7 }).entries()) {
    // References are to the whole schema.
    if (JSON.stringify(schema).includes("$ref") && schema.definitions === undefined) continue;
    const isValid = ajv.compile(schema);
    await using chat = pair.chat({ template: "chatml" });
    for (let seed = 0; seed < 5; seed++) {
      chat.setMessages([]);
      const stream = chat.send("x", { schema, seed: 5 * i + seed, temperature: 1, maxTokens: 300, logitBias });
      const { finishReason, object, text } = await stream.finished;
      if (finishReason !== "stop") continue;
      judged++;
      if (!isValid(object)) t.fail(`${JSON.stringify(schema)}: ${text}: ${ajv.errorsText(isValid.errors)}`);
    }
  }
  t.true(judged >= 1000, `${judged} samples`);
});
