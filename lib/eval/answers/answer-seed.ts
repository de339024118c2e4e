/** The seed of a prompt's answers: of the run's seed and of what is asked, so that no other prompt has a say in it. */

import { createHash } from "node:crypto";
import type { AskedPrompt } from "../data/prompt-shapes.js";

/** Seeds of answers are below this. */
const seedsOfAnswers = 2 ** 32 - 1;

/** Answer i of a prompt is drawn with this plus i ({@link GenerateOptions.n}). */
export function seedOfPrompt(seed: number, asked: AskedPrompt): number {
  const given = asked.kind === "chat" ? asked.messages : asked.prompt;
  const digest = createHash("sha256")
    .update(JSON.stringify([seed, given]))
    .digest();
  return digest.readUInt32LE(0) % seedsOfAnswers;
}
