/** Damage to JSON, lines of JSON, and text: values that no reader expects, and bytes that are no UTF-8. */

import type { Random } from "../../../test/support/random.js";
import { below, type Mutate, mutateBytes, oneOf, pick } from "./mutation.js";

const utf8 = { from: new TextDecoder(), to: new TextEncoder() };

const nested = (open: string, depth: number, close: string) => open.repeat(depth) + close.repeat(depth);

/** JSON as text, for what JSON.stringify cannot say as well. */
const oddValues: readonly ((random: Random) => string)[] = [
  ...[
    "null",
    "true",
    "0",
    "-1",
    "1e999",
    "-0",
    "1.5",
    "9007199254740993",
    "[]",
    "{}",
    '""',
    '"\\u0000"',
    '"\\ud800"',
  ].map((value) => () => value),
  ...["NaN", "undefined", "'a'", "0x10", "01", "{a:1}", "[1,]", "/* */ 1", '"\t"', '{"__proto__":{"a":1}}'].map(
    (value) => () => value,
  ),
  (random) => nested("[", below(random, 20_000), "]"),
  (random) => nested('{"a":', below(random, 20_000), "}"),
  (random) => JSON.stringify("word ".repeat(below(random, 40_000))),
  (random) => JSON.stringify(String.fromCodePoint(...Array.from({ length: 20 }, () => 1 + below(random, 0xd7ff)))),
  (random) => JSON.stringify(Array.from({ length: below(random, 200) }, () => below(random, 9))),
  (random) =>
    JSON.stringify({ role: pick(random, ["user", "tool", "", "system"]), content: pick(random, ["", "a", null, 5]) }),
];

/** Strings, numbers and words of a JSON text, with what is between left as it is. */
const token = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null/g;

const replaceToken: Mutate = (bytes, random) => {
  const text = utf8.from.decode(bytes);
  const found = [...text.matchAll(token)];
  if (found.length === 0) return mutateBytes(bytes, random);
  const { index, 0: old } = pick(random, found);
  const value = pick(random, oddValues)(random);
  const mutated = text.slice(0, index) + value + text.slice(index + old.length);
  return { bytes: utf8.to.encode(mutated), how: `${old.slice(0, 40)} at ${index} became ${value.slice(0, 40)}` };
};

const lines: Mutate = (bytes, random) => {
  const all = utf8.from.decode(bytes).split("\n");
  const at = below(random, all.length);
  const line = pick(random, [
    ...["", " ", "\r", "\ufeff", "{", "null", '"text"', "[]", '{"text":', '{"prompt":"a"}', '{"messages":[]}'],
    (all[at] ?? "").repeat(2),
    `${all[at]}\r`,
    `{"text":${pick(random, oddValues)(random)}}`,
    `{"prompt":${pick(random, oddValues)(random)},"response":${pick(random, oddValues)(random)}}`,
    `{"messages":[{"role":"user","content":${pick(random, oddValues)(random)}}]}`,
    `{"messages":${pick(random, oddValues)(random)}}`,
  ]);
  const put = random() < 0.5 ? 1 : 0;
  const mutated = [...all.slice(0, at), line, ...all.slice(at + put)].join("\n");
  return { bytes: utf8.to.encode(mutated), how: `line ${at + 1}: ${line.slice(0, 60)}` };
};

/** Mutants of JSON. */
export const mutateJson: Mutate = oneOf(replaceToken, replaceToken, mutateBytes);
/** Mutants of a file of lines. */
export const mutateLines: Mutate = oneOf(replaceToken, lines, lines, mutateBytes);
