/** Who writes the answers of a chat. */

import { join } from "node:path";
import test from "ava";
import { loadPair } from "../../lib/index.js";
import { quiet } from "../engine/fixtures.js";
import { withTempDir } from "../support/temp-dir.js";
import { writeTinyModel } from "../support/tiny-model.js";
import { read, says, template, withTemplate } from "./fixtures.js";

test.serial("a chat names its writer, and an answer another one", async (t) => {
  const dir = withTempDir(t);
  const { path: full } = await writeTinyModel(join(dir, "full.gguf"), withTemplate(template));
  const { path: small } = await writeTinyModel(join(dir, "small.gguf"), { seed: 2, nEmbd: 32, nFf: 64 });
  const decode = { quick: { model: small }, careful: { model: full, adapters: [] } };
  const pair = await loadPair({ ...quiet, contextSize: 512, prefill: { model: full }, decode });
  t.teardown(() => pair.dispose());
  await using chat = pair.chat({ writer: "careful" });
  const writersOf = async (answer: ReturnType<typeof chat.send>) =>
    (await read(answer)).steps.map(({ handover, decode }) => [handover.writer, decode.writer]);
  says("One.", "Two.", "Three.", "Four.");
  t.deepEqual(await writersOf(chat.send("1?")), [["careful", "careful"]]);
  t.deepEqual(await writersOf(chat.send("2?", { writer: "quick" })), [["quick", "quick"]]);
  t.deepEqual(await writersOf(chat.send("3?", { writer: "prefill" })), [["prefill", "prefill"]]);
  t.deepEqual(await writersOf(chat.send("4?")), [["careful", "careful"]]);
  t.deepEqual(
    chat.messages.filter(({ role }) => role === "assistant").map(({ content }) => content),
    ["One.", "Two.", "Three.", "Four."],
  );
});
