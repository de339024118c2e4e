/** What the steps take, about: from what was measured of the full model, before anything is made. */

import type { EstimatedStep, MeasuredMachine } from "./results.js";
import type { CheckedMakeOptions } from "./validation.js";

/** Training computes three times what reading does, in f32, which is slower than the full model's type by about so much. */
const trainingCost = 6;

/** What is known before. */
export interface Workload {
  readonly machine: MeasuredMachine;
  /** Of prompts to learn from, and of those held out. */
  readonly prompts: number;
  readonly heldOut: number;
  readonly parametersBefore: number;
  readonly parametersAfter: number;
  readonly pruned: boolean;
}

export function estimateSteps(
  { machine, prompts, heldOut, parametersBefore, parametersAfter, pruned }: Workload,
  { responses, answering = {}, healing = {}, speedUp, targetSize, targetBytes, rounds }: CheckedMakeOptions,
): readonly EstimatedStep[] {
  const { prefillTokensPerSecond: reads, decodeTokensPerSecond: writes, promptTokens } = machine;
  const { answers = 1, maxTokens = 256 } = answering;
  // Most answers end before they have to.
  const answerTokens = maxTokens / 2;
  const reading = (tokens: number) => (1000 * tokens) / reads;
  const ofFull = parametersAfter / parametersBefore;
  const examples = prompts * (responses === "write" ? answers : 1);
  const steps = healing.maxSteps ?? ((healing.epochs ?? 1) * examples) / (healing.batchSize ?? 8);
  const trained = steps * (healing.batchSize ?? 8);
  const bench = 40 * ((1000 * 32) / writes + reading(promptTokens));
  const evaluation = reading(3 * heldOut * (promptTokens + answerTokens)) + (20 * 1000 * 32) / writes;
  const isTarget = [speedUp, targetSize, targetBytes].some((value) => value !== undefined);
  const all: readonly (EstimatedStep | false)[] = [
    responses === "write" && {
      step: "answering",
      ms: reading((prompts + heldOut) * promptTokens) + (1000 * (examples + heldOut) * answerTokens) / writes,
    },
    isTarget && { step: "importance", ms: 1.5 * reading(Math.min(5e5, examples * (promptTokens + answerTokens))) },
    isTarget && { step: "choosing", ms: speedUp === undefined ? 1000 : 2 * bench },
    pruned && { step: "pruning", ms: rounds * 1000 },
    pruned && {
      step: "healing",
      ms: trained * (reading(promptTokens) + trainingCost * ofFull * reading(answerTokens)),
    },
    pruned && { step: "evaluating", ms: evaluation },
    { step: "quantizing", ms: 1000 },
    { step: "comparing", ms: evaluation + bench },
  ];
  return all.filter((step) => step !== false);
}

/** Milliseconds of steps that are still to come, behind the one that is named. */
export function remainingAfter(steps: readonly EstimatedStep[], step: string): number {
  const at = steps.findIndex((one) => one.step === step);
  return at < 0 ? 0 : steps.slice(at + 1).reduce((sum, { ms }) => sum + ms, 0);
}
