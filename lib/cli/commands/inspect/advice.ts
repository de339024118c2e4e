/** What would make a pair work that does not work as it is. */

import type { HandoverPlan } from "../../../engine/index.js";
import { quoted } from "../../shell-words.js";

/** Sentences, each about one thing to do; none for a pair that works. */
export function adviceFor(plan: HandoverPlan, prefill: string, decode: string): string[] {
  if (plan.available && plan.kind !== "impossible") return [];
  const fields = new Set(plan.reasons.filter(({ served }) => !served).map(({ field }) => field));
  const never = new Set(plan.reasons.filter(({ leadsTo }) => leadsTo === "impossible").map(({ field }) => field));
  if (never.size > 0) {
    const advice = [];
    if (never.has("vocabulary"))
      advice.push(
        "Both models need the same tokenizer: take a smaller model of the prefill model's family, or make one with overfill prune.",
      );
    else
      advice.push(
        "A memory of this kind is shared as it is or not at all: take two quantisations of one model, or two fine-tunes of one base, with the same cache types and devices.",
      );
    return advice;
  }
  if (fields.has("layerMap") || fields.has("translator"))
    return ["This pair shares its memory as it is: leave out the layer map and the translator."];
  const advice = [];
  if (fields.has("layers"))
    advice.push(
      "If the decode model was made from layers of the prefill model, say which: --layer-map first, last, firstlast, spaced or a list such as 0,2,5.",
    );
  // K without its position encoding is known for plain RoPE only.
  const stored = [...fields].some((field) => field.startsWith("rope")) ? " --no-before-rope" : "";
  const fit = `overfill fit --prefill ${quoted(prefill)} --decode ${quoted(decode)}${stored} --text FILE -o maps.gguf`;
  advice.push(
    `${advice.length > 0 ? "Otherwise fit" : "Fit"} a translator to a text, and give it to every command with --translator maps.gguf:\n  ${fit}`,
  );
  return advice;
}
