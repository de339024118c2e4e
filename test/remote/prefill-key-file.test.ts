/** The key to a prefill server in a file: what is taken for one, and what is not. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import test from "ava";
import { loadPairInHost } from "../../lib/host/index.js";
import { answerAlone, quiet, refusal, someTokens, traced } from "../engine/fixtures.js";
import { withTempDir } from "../support/temp-dir.js";
import { openReader, openWriter, writeModels } from "./prefill-fixtures.js";

const key = "the-right-secret-key";
const serving = { auth: { keys: [key] } };

test("a key is read from a file, by path and by URL, here and in a host", async (t) => {
  const models = await writeModels(t);
  const { server } = await openReader(t, models, { serving });
  const keyFile = join(withTempDir(t), "reader.key");
  writeFileSync(keyFile, `# of the office\n\n  ${key}\r\n`);
  for (const file of [keyFile, pathToFileURL(keyFile)]) {
    const writer = await openWriter(t, models, { url: server.url, keyFile: file });
    t.is((await answerAlone(writer, someTokens(30), traced(4))).tokens.length, 4);
  }
  await using hosted = await loadPairInHost({
    ...{ ...quiet, contextSize: 1024, prefill: { url: server.url, keyFile }, decode: { model: models.decode } },
  });
  t.is((await answerAlone(hosted, someTokens(30), traced(4))).tokens.length, 4);
});

test("what is not one key is refused with its code", async (t) => {
  const models = await writeModels(t);
  const { server, pair } = await openReader(t, models, { serving });
  const keyFile = join(withTempDir(t), "reader.key");
  const prefill = { url: server.url, keyFile };
  t.regex((await refusal(t, "ERR_FILE_READ_FAILED", openWriter(t, models, prefill))).message, /does not exist/);
  for (const [content, reason] of [
    ["", /has no key/],
    ["# nothing but words\n", /has no key/],
    [`${key}\nanother-secret-key\n`, /has 2 keys/],
    ["a key\u0007", /characters that no key has/],
    ["a key of words", /characters that no key has/],
    ["k".repeat(70_000), /has no key/],
  ] as const) {
    writeFileSync(keyFile, content);
    const error = await refusal(t, "ERR_REMOTE_KEY_INVALID", openWriter(t, models, prefill));
    t.regex(error.message, reason);
    t.false(error.message.includes(key), "the key is not told");
    t.is(error.details.path, keyFile);
  }
  writeFileSync(keyFile, "another-secret-key\n");
  await refusal(t, "ERR_REMOTE_REFUSED", openWriter(t, models, prefill));
  const both = await refusal(t, "ERR_INVALID_ARGUMENT", openWriter(t, models, { ...prefill, key }));
  t.is(both.details.parameter, "options.prefill.keyFile");
  t.is(pair.metrics().prefillTokens, 0);
});
