/** What is read out of names: what to download, where it is to lie, what a file's name says of its model. */

import { homedir } from "node:os";
import { join, resolve } from "node:path";
import test from "ava";
import { UsageError } from "../../../lib/cli/exit.js";
import { chooseModels } from "../../../lib/cli/hub/choice.js";
import { modelsAmong, quantisationOf } from "../../../lib/cli/hub/listing.js";
import { waitOf } from "../../../lib/cli/hub/request.js";
import { hubCacheFolder, hubSettings } from "../../../lib/cli/hub/settings.js";
import { parseSource } from "../../../lib/cli/hub/source.js";

const endpoint = new URL("https://mirror.example/hub/");
const parse = (text: string) => parseSource(text, endpoint);
const main = { kind: "repository", repository: "org/na.me-GGUF", revision: "main" } as const;

test("a repository is named in several ways", (t) => {
  t.deepEqual(parse("org/na.me-GGUF"), main);
  t.deepEqual(parse("hf.co/org/na.me-GGUF"), main);
  t.deepEqual(parse("https://huggingface.co/org/na.me-GGUF"), main);
  t.deepEqual(parse("https://mirror.example/hub/org/na.me-GGUF/"), main);
  t.deepEqual(parse("org/na.me-GGUF:Q4_K_M"), { ...main, quantisation: "Q4_K_M" });
});

test("a file of a repository is named by its address", (t) => {
  const file = { ...main, revision: "v1", file: "q/a b-Q8_0.gguf" };
  for (const verb of ["resolve", "blob"])
    t.deepEqual(parse(`https://huggingface.co/org/na.me-GGUF/${verb}/v1/q/a%20b-Q8_0.gguf?download=true`), file);
  t.deepEqual(parse("https://hf.co/org/na.me-GGUF/tree/refs%2Fpr%2F1"), { ...main, revision: "refs/pr/1" });
});

test("any other address is a file of its server", (t) => {
  const url = new URL("https://example.com/org/name/resolve/main/a.gguf");
  t.deepEqual(parse(url.href), { kind: "address", url });
  // The Hub's name over a line that others can change is another server.
  t.is(parse("http://huggingface.co/org/name").kind, "address");
});

for (const text of [
  ...[
    "",
    "name",
    "a/b/c",
    "../b",
    "a/..",
    "a/b--c",
    "/a/b",
    "a b/c",
    "-a/b",
    "a/b.gguf ",
    "C:\\models\\a.gguf",
    "org/",
  ],
  ...[
    "https://huggingface.co/org",
    "https://huggingface.co/org/name/discussions/1",
    "https://user:pass@example.com/a.gguf",
  ],
  ...["https://huggingface.co/org/name/resolve/main/..%2f..%2fa.gguf", "https://huggingface.co/o/n/resolve/%/a.gguf"],
  ...["https://huggingface.co/o/n/resolve/..%2f..%2fx/a.gguf", "https://huggingface.co/o/n/blob/main/a%00.gguf"],
])
  test(`${JSON.stringify(text)} is nothing to download`, (t) => {
    t.throws(() => parse(text), { instanceOf: UsageError });
  });

test("the cache is where the variables of Hugging Face's tools say", (t) => {
  const cache = join(homedir(), ".cache", "huggingface", "hub");
  t.is(hubCacheFolder({}), cache);
  t.is(hubCacheFolder({ HF_HOME: "" }), cache);
  t.is(hubCacheFolder({ HF_HOME: "/data/hf" }), resolve("/data/hf/hub"));
  t.is(hubCacheFolder({ XDG_CACHE_HOME: "/c" }), resolve("/c/huggingface/hub"));
  t.is(hubCacheFolder({ HF_HOME: "/data/hf", HUGGINGFACE_HUB_CACHE: "/old" }), resolve("/old"));
  t.is(hubCacheFolder({ HF_HUB_CACHE: "~/models", HUGGINGFACE_HUB_CACHE: "/old" }), join(homedir(), "models"));
});

test("the endpoint and the token are those of the variables", (t) => {
  const none = { HF_TOKEN_PATH: "/nowhere" };
  t.like(hubSettings(none), { token: undefined });
  t.is(hubSettings(none).endpoint.href, "https://huggingface.co/");
  t.is(hubSettings({ ...none, HF_ENDPOINT: "http://127.0.0.1:1/a" }).endpoint.href, "http://127.0.0.1:1/a/");
  t.is(hubSettings({ HF_TOKEN: " hf_x\n" }).token, "hf_x");
  for (const HF_ENDPOINT of ["x", "ftp://x", "https://user@x"])
    t.throws(() => hubSettings({ ...none, HF_ENDPOINT }), { message: /^HF_ENDPOINT: expected/ });
  const error = t.throws(() => hubSettings({ HF_TOKEN: "secret\u0000word" }), { instanceOf: UsageError });
  t.false(error?.message.includes("secret"));
});

for (const [name, expected] of [
  ["Model-7B-Q4_K_M.gguf", "Q4_K_M"],
  ["model.q8_0.gguf", "Q8_0"],
  ["qwen2.5-1.5b-instruct-q4_0.gguf", "Q4_0"],
  ["m-UD-Q4_K_XL.gguf", "UD-Q4_K_XL"],
  ["m-IQ2_XXS.gguf", "IQ2_XXS"],
  ["BF16/m-BF16-00001-of-00003.gguf", "BF16"],
  ["m-fp16.gguf", "F16"],
  ["m-Q4_0_4_8.gguf", "Q4_0_4_8"],
  ["gpt-oss-20b-mxfp4.gguf", "MXFP4"],
  ["m-TQ1_0.gguf", "TQ1_0"],
  ["m.i1-Q4_K_S.gguf", "Q4_K_S"],
  ["qwen.gguf", ""],
] as const)
  test(`the name ${name} tells ${expected || "no quantisation"}`, (t) => {
    t.is(quantisationOf(name), expected);
  });

const listed = (...paths: readonly string[]) =>
  modelsAmong(paths.map((path, i) => ({ path, sizeBytes: (i + 1) * 2 ** 20, digest: "0".repeat(64) })));
const models = listed(
  "a-Q8_0.gguf",
  "a-UD-Q4_K_XL.gguf",
  "mmproj-a-F16.gguf",
  "a.imatrix.gguf",
  "b/b-Q8_0.gguf",
  "x.txt",
);

test("what is no model of its own is none of the choice", (t) => {
  t.deepEqual(
    models.map(({ name }) => name),
    ["a-Q8_0", "a-UD-Q4_K_XL", "b/b-Q8_0"],
  );
});

test("a choice that is not clear lists what there is", (t) => {
  const lines = (...rows: readonly string[]) => rows.join("\n");
  t.throws(() => chooseModels(models, {}, "o/n"), {
    message: lines(
      "o/n has several models: choose by --quant or --file",
      "  Q8_0        5.00 MiB  b/b-Q8_0.gguf",
      "  UD-Q4_K_XL  2.00 MiB  a-UD-Q4_K_XL.gguf",
      "  Q8_0        1.00 MiB  a-Q8_0.gguf",
    ),
  });
  t.throws(() => chooseModels(models, { quantisations: ["q8_0"] }, "o/n"), { message: /several models of q8_0/ });
  t.throws(() => chooseModels(models, { quantisations: ["q3_k"] }, "o/n"), { message: /^o\/n has no q3_k\n/ });
  t.throws(() => chooseModels(models, { files: ["c.gguf"] }, "o/n"), { message: /^o\/n has no model c\.gguf\n/ });
  t.throws(() => chooseModels([], {}, "o/n"), { message: /no GGUF files/ });
});

test("a clear choice is taken, once", (t) => {
  const choose = (choice: Parameters<typeof chooseModels>[1]) =>
    chooseModels(models, choice, "o/n").map(({ name }) => name);
  t.deepEqual(choose({ quantisations: ["q4_k_xl"] }), ["a-UD-Q4_K_XL"]);
  t.deepEqual(choose({ files: ["b/b-Q8_0.gguf", "b/b-Q8_0.gguf"] }), ["b/b-Q8_0"]);
  t.is(chooseModels(listed("only.gguf"), {}, "o/n").length, 1);
});

test("a wait is told in seconds or by a date", (t) => {
  const now = Date.UTC(2026, 0, 1);
  t.is(waitOf("12", now), 12_000);
  t.is(waitOf("Thu, 01 Jan 2026 00:00:30 GMT", now), 30_000);
  t.is(waitOf("Thu, 01 Jan 2015 00:00:30 GMT", now), 0);
  t.is(waitOf("soon", now), undefined);
  t.is(waitOf(null, now), undefined);
});
