/** Bodies made from the OpenAPI document's own schemas, and broken ones: never a status of 500, never a crash. */

import test from "ava";
import fc from "fast-check";
import { greeting, type Json, openServer, user } from "./fixtures.js";

const texts = fc.oneof(
  fc.constantFrom("", "x", "h", greeting, "small", "\u0000", "\ud800", "<|im_end|>", "a".repeat(500), 'root ::= "a"'),
  fc.string({ maxLength: 20 }),
  fc.string({ unit: "binary", maxLength: 8 }),
);
const numbers = fc.oneof(
  fc.constantFrom(0, -1, 1, 0.5, 2, 1e9, 2 ** 31, 2 ** 32, 1e300, -1e300),
  fc.integer({ min: -5, max: 300 }),
);

/** Values of a JSON schema; now and then of another kind. */
function valuesOf(schema: Json, definitions: Json, depth: number): fc.Arbitrary<unknown> {
  const wild = fc.oneof(
    fc.constant(null),
    numbers,
    texts,
    fc.boolean(),
    fc.constant([]),
    fc.constant({}),
    fc.constant([{}]),
  );
  const mostly = (arbitrary: fc.Arbitrary<unknown>) =>
    fc.oneof({ weight: 14, arbitrary }, { weight: 1, arbitrary: wild });
  if (schema === undefined || depth <= 0) return wild;
  if (schema.$ref) return valuesOf(definitions[schema.$ref.split("/").at(-1)], definitions, depth);
  const forms = schema.anyOf ?? schema.oneOf;
  if (forms) return fc.oneof(...forms.map((form: Json) => valuesOf(form, definitions, depth)));
  if ("const" in schema) return mostly(fc.constant(schema.const));
  if (schema.enum) return mostly(fc.constantFrom(...schema.enum));
  const type = Array.isArray(schema.type) ? schema.type[0] : schema.type;
  if (type === "boolean") return mostly(fc.boolean());
  if (type === "string") return mostly(texts);
  if (type === "integer" || type === "number") {
    const { minimum = -1e9, maximum = 1e9 } = schema;
    return mostly(
      fc.oneof(
        fc.constantFrom(minimum, maximum),
        fc.integer({ min: Math.ceil(minimum), max: Math.min(maximum, minimum + 40) }),
      ),
    );
  }
  if (type === "array")
    return mostly(
      fc.array(valuesOf(schema.items ?? schema.prefixItems?.[0], definitions, depth - 1), { maxLength: 3 }),
    );
  if (type !== "object") return wild;
  const { properties, required = [], additionalProperties } = schema;
  if (!properties)
    return mostly(
      fc.dictionary(texts, valuesOf(additionalProperties || undefined, definitions, depth - 1), { maxKeys: 3 }),
    );
  const fields = Object.entries(properties).map(
    ([name, own]) => [name, valuesOf(own, definitions, depth - 1)] as const,
  );
  const sometimes = fields.map(([name, arbitrary]) =>
    required.includes(name)
      ? arbitrary.map((value) => [name, value] as const)
      : fc
          .oneof({ weight: 5, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary })
          .map((value) => [name, value] as const),
  );
  return mostly(fc.tuple(...sometimes).map((entries) => Object.fromEntries(entries as [string, unknown][])));
}

/** Answers are short, and bodies that are whole get an answer now and then. */
const bounds: Readonly<Record<string, Json>> = {
  "/v1/chat/completions": { max_tokens: 4, max_completion_tokens: 4, messages: user(greeting) },
  "/v1/completions": { max_tokens: 4, prompt: "Say h" },
  "/v1/responses": { max_output_tokens: 4, input: greeting },
  "/tokenize": { content: greeting },
  "/detokenize": { tokens: [65] },
  "/apply-template": { messages: user(greeting) },
};

test("bodies of the document's schemas are answered or refused with a 4xx that says why", async (t) => {
  t.timeout(120_000);
  const { ask, json } = await openServer(t, { limits: { maxWaiting: 1000 } });
  const { paths, components } = (await json("/openapi.json")).body;
  let answered = 0;
  for (const [path, bounded] of Object.entries(bounds)) {
    const { schema } = paths[path].post.requestBody.content["application/json"];
    const [needed = ""] = Object.keys(bounded).slice(-1);
    const bodies = fc.tuple(valuesOf(schema, components.schemas, 6), fc.boolean()).map(([body, isWhole]) => ({
      ...(body as object),
      ...bounded,
      // What is needed is whole in one half of them.
      ...(!isWhole && { [needed]: (body as Json)?.[needed] }),
    }));
    await fc.assert(
      fc.asyncProperty(bodies, async (body) => {
        const response = await ask(path, body);
        const text = await response.text();
        if (response.status === 200) answered++;
        else {
          const { error } = JSON.parse(text);
          if (response.status >= 500 || typeof error.message !== "string")
            throw new Error(`${response.status} ${text} for ${JSON.stringify(body)}`);
        }
        if (text.includes('"server_error"')) throw new Error(`${text} for ${JSON.stringify(body)}`);
      }),
      { numRuns: 120, seed: 20_261_130, endOnFailure: true },
    );
  }
  t.true(answered > 60, `${answered} were answered`);
  t.is((await json("/v1/chat/completions", { messages: user(greeting) })).body.choices[0].message.content, "Good day.");
});

test("bodies that are no JSON, or too deep, are refused", async (t) => {
  const { ask } = await openServer(t);
  const deep = `${'{"a":'.repeat(20_000)}1${"}".repeat(20_000)}`;
  for (const body of [
    "",
    "{",
    "null",
    "[]",
    "1",
    '"x"',
    "\u0000",
    deep,
    `{"messages":${"[".repeat(5000)}${"]".repeat(5000)}}`,
  ])
    for (const path of Object.keys(bounds)) t.is((await ask(path, body)).status, 400, `${path} ${body.slice(0, 20)}`);
  const bytes = await ask("/tokenize", undefined, { method: "POST", body: new Uint8Array([0x7b, 0xff, 0xfe]) });
  t.is(bytes.status, 400);
});
