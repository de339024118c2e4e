/** Answers that are objects: typed by a schema of any library, partial on the way, and refused where they do not keep to it. */

import { toStandardJsonSchema } from "@valibot/to-json-schema";
import { type } from "arktype";
import test from "ava";
import { expectTypeOf } from "expect-type";
import * as v from "valibot";
import { z } from "zod";
import { readPartialJson } from "../../lib/chat/partial-json.js";
import { type ChatAnswer, type JsonSchema, tool } from "../../lib/index.js";
import { refusal } from "../engine/fixtures.js";
import { call, chatPair, read, runs, says } from "./fixtures.js";

const said = '{"city": "Graz", "days": [1, 2, 3]}';
const object = { city: "Graz", days: [1, 2, 3] };

const json = {
  type: "object",
  properties: { city: { type: "string" }, days: { type: "array", items: { type: "integer" } } },
  required: ["city", "days"],
} as const satisfies JsonSchema;

test.serial("an object comes in parts, and whole in `object`", async (t) => {
  const pair = await chatPair(t);
  await using chat = pair.chat();
  const long = { city: "Graz", days: Array.from({ length: 100 }, (_, day) => day) };
  says(JSON.stringify(long));
  const answer = await read(chat.send("Where?", { schema: json }));
  t.deepEqual(answer.object, long);
  t.is(answer.text, JSON.stringify(long));
  const partial = answer.parts.flatMap((part) => (part.type === "object" ? [part.object as Partial<typeof long>] : []));
  t.true(partial.length > 1);
  for (const { city = "", days = [] } of partial) {
    t.true("Graz".startsWith(city));
    t.deepEqual(days, long.days.slice(0, days.length));
  }
  t.deepEqual(partial.at(-1), long);
  // The grammar that held it is the template's, with the schema in it.
  t.true(runs.at(-1)?.grammar.includes("days"));
});

test.serial("without a script, the grammar makes the object", async (t) => {
  const pair = await chatPair(t);
  await using chat = pair.chat({ reasoning: false });
  const schema = { type: "object", properties: { sky: { enum: ["clear"] } }, required: ["sky"] };
  const answer = await read(chat.send("How is it?", { schema, maxTokens: 300, temperature: 0 }));
  t.deepEqual(answer.object, { sky: "clear" });
});

test.serial(
  "schemas of zod, valibot and arktype give objects with their types, and what they make of them",
  async (t) => {
    const pair = await chatPair(t);
    await using chat = pair.chat();
    const ofZod = z.object({ city: z.string().transform((name) => name.length), days: z.array(z.int()) });
    const ofValibot = toStandardJsonSchema(
      v.object({ city: v.string(), days: v.array(v.pipe(v.number(), v.integer())) }),
    );
    const ofArktype = type({ city: "string", days: "number.integer[]" });

    says(said, said, said);
    const first = await chat.send("Where?", { schema: ofZod }).finished;
    expectTypeOf(first).toEqualTypeOf<ChatAnswer<{ city: number; days: number[] }>>();
    t.deepEqual(first.object, { city: 4, days: [1, 2, 3] });
    const second = await chat.send("Where?", { schema: ofValibot }).finished;
    expectTypeOf(second.object).toEqualTypeOf<{ city: string; days: number[] } | undefined>();
    t.deepEqual(second.object, object);
    const third = await chat.send("Where?", { schema: ofArktype }).finished;
    expectTypeOf(third.object).toEqualTypeOf<{ city: string; days: number[] } | undefined>();
    t.deepEqual(third.object, object);
  },
);

test.serial("and tools whose input has their types", async (t) => {
  const pair = await chatPair(t);
  const seen: string[] = [];
  const note = (city: string) => {
    seen.push(city);
    return city.length;
  };
  await using chat = pair.chat({
    tools: {
      zod: tool({
        inputSchema: z.object({ city: z.string() }),
        execute: (input) => {
          expectTypeOf(input).toEqualTypeOf<{ city: string }>();
          return note(input.city);
        },
      }),
      valibot: tool({
        inputSchema: toStandardJsonSchema(v.object({ city: v.string() })),
        execute: (input) => {
          expectTypeOf(input).toEqualTypeOf<{ city: string }>();
          return note(input.city);
        },
      }),
      arktype: tool({
        inputSchema: type({ city: "string" }),
        execute: (input) => {
          expectTypeOf(input).toEqualTypeOf<{ city: string }>();
          return note(input.city);
        },
      }),
    },
  });
  for (const name of ["zod", "valibot", "arktype"]) {
    says(call(name, { city: name }), "Done.");
    t.is((await read(chat.send("Go."))).text, "Done.");
  }
  t.deepEqual(seen, ["zod", "valibot", "arktype"]);
});

test.serial("a library's schema that gives no JSON schema is refused before anything runs", async (t) => {
  const pair = await chatPair(t);
  await using chat = pair.chat();
  const error = await refusal(t, "ERR_INVALID_ARGUMENT", () => chat.send("x", { schema: v.object({ a: v.string() }) }));
  t.true(error.message.includes("valibot"), error.message);
  await refusal(t, "ERR_SCHEMA_UNSUPPORTED", () => chat.send("x", { schema: z.object({ a: z.date() }) }));
  await refusal(t, "ERR_INVALID_ARGUMENT", () => chat.send("x", { schema: 1 as never }));
  await refusal(t, "ERR_INVALID_ARGUMENT", () => chat.send("x", { schema: json, grammar: 'root ::= "a"' }));
  const unsupported = await refusal(t, "ERR_SCHEMA_UNSUPPORTED", () =>
    chat.send("x", { schema: { type: "object", properties: { a: { type: "number", multipleOf: 2 } } } }),
  );
  t.deepEqual(unsupported.details, { keyword: "multipleOf", pointer: "/properties/a" });
  t.is(runs.length, 0);
});

test.serial("what the library refuses, and what is no JSON, fail the answer with its text", async (t) => {
  const pair = await chatPair(t);
  await using chat = pair.chat();
  const even = z.object({ n: z.int().refine((n) => n % 2 === 0, "must be even") });
  says('{"n": 3}');
  const error = await refusal(t, "ERR_SCHEMA_MISMATCH", chat.send("x", { schema: even }).finished);
  t.deepEqual(error.details, { text: '{"n": 3}', issues: "n: must be even" });
  says('{"n": 3}');
  await refusal(t, "ERR_SCHEMA_MISMATCH", chat.send("x", { schema: even, stop: "3" }).finished);
  t.deepEqual(chat.messages, []);
  says('{"n": 4}');
  t.deepEqual((await chat.send("x", { schema: even }).finished).object, { n: 4 });
});

test.serial("an object that was cut short is none", async (t) => {
  const pair = await chatPair(t);
  await using chat = pair.chat();
  says(said);
  const answer = await read(chat.send("Where?", { schema: json, maxTokens: 5 }));
  t.is(answer.object, undefined);
  t.is(answer.finishReason, "length");
});

test.serial("an object is answered at once, whatever tools there are", async (t) => {
  const pair = await chatPair(t);
  await using chat = pair.chat({ tools: { look: { inputSchema: { type: "object" }, execute: () => "clear" } } });
  says(call("look", {}), "It is clear.", said);
  await read(chat.send("Where?"));
  const answer = await read(chat.send("As an object.", { schema: json }));
  t.deepEqual(answer.object, object);
  t.false(runs.at(-1)?.grammar.includes("look"));
  // The tools stay in the prompt, so that what was read stays.
  t.true(answer.usage.cachedTokens > 100);
});

test("what can be read of a JSON text that is being written", (t) => {
  t.deepEqual(
    ["", " ", "{", '{"a', '{"a":', '{"a": "x', '{"a": "x", "b": 1', '{"a": "x", "b": 12}', "no"].map(readPartialJson),
    [undefined, undefined, {}, {}, {}, { a: "x" }, { a: "x" }, { a: "x", b: 12 }, undefined],
  );
});
