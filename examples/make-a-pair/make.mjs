// Makes a pair of a full model and prompts: node make.mjs [full.gguf prompts.jsonl 1.0B]
// Without arguments the full model is the one that comes with the package, which knows little stories: a minute's work.
import { existsSync } from "node:fs";
import { demoPair, demoQuestions, loadPair, makePair } from "overfill";
import { writeStories } from "./stories.mjs";

const [model, data = "prompts.jsonl", targetSize = "1.0B"] = process.argv.slice(2);
if (model === undefined && !existsSync("stories.jsonl")) writeStories("stories.jsonl", 600);

const stories = {
  model: demoPair.prefill.model,
  data: "stories.jsonl",
  targetSize: "500K",
  answering: { maxTokens: 48, temperature: 0 },
  healing: { maxSteps: 120, batchSize: 16, learningRate: 2e-3 },
};
const made = await makePair({
  ...(model === undefined ? stories : { model, data, targetSize }),
  out: "pair",
  onProgress({ step, index, steps, fraction, detail }) {
    if (process.stderr.isTTY)
      process.stderr.write(`\r\x1b[K${index}/${steps} ${step} ${Math.round(100 * fraction)}% ${detail}`);
  },
});
if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");

const percent = (row) => {
  const found = made.evaluation.rows.find((one) => one.row === row);
  return `${(100 * found.figures.agreementAfterFirst.value).toFixed(0)}%`;
};
console.log(`pair/decode.gguf: ${made.model.parameters} parameters, writes ${made.speedUp.toFixed(2)} times as fast`);
console.log(`agrees with the full model in ${percent("two-stage")} of tokens behind it, in ${percent("decode")} alone`);

// The folder is a pair like any other: `npx overfill run pair/ -p "..."` takes it as well.
const pair = await loadPair("pair");
const session = await pair.createSession();
const prompt = model === undefined ? demoQuestions[1].prompt : "Once upon a time";
const { text } = await session.generate(prompt, { maxTokens: 48, temperature: 0, stop: "\n" });
console.log(`${prompt.split("\n").at(-1).trim()}${text}`);
await pair.dispose();
