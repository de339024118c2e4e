/** What making a pair would take: the machine is measured, nothing is written. */

import { fromCaller } from "../internal/caller-stack.js";
import { estimateSteps } from "./estimates.js";
import { measureMachine } from "./machine.js";
import { msOf, tokenTimeOf } from "./model-cost.js";
import type { MakePairOptions } from "./options.js";
import { type Prepared, prepare, refuseFullSize, spaceOf, toChosen, workBytesOf } from "./preparation.js";
import type { PairPlan } from "./results.js";
import { checkMakeOptions } from "./validation.js";
import { findCandidates, isCut, type SearchSpace, smallestCandidate } from "./width-search.js";

/**
 * What {@link makePair} with the same options would make and how long it would take, about: loads the full model, times it,
 * and estimates the rest. Importance is not measured, so sizes are those of a model all parts of which count the same.
 * Nothing is written.
 *
 * Rejects as {@link makePair} does before it writes anything.
 */
export async function planPair(options: MakePairOptions): Promise<PairPlan> {
  return fromCaller(() => plan(options));
}

async function plan(options: MakePairOptions): Promise<PairPlan> {
  const checked = checkMakeOptions(options);
  checked.signal?.throwIfAborted();
  const prepared = await prepare(checked);
  const { source, prompts } = prepared;
  const asked = prompts.training.map((prompt) => prompt.asked);
  const measured = await measureMachine(source, asked, checked, (fraction) =>
    options.onProgress?.({ step: "measuring", index: 1, steps: 1, fraction, detail: "" }),
  );
  const { machine, shape } = measured;
  refuseFullSize(prepared, shape);
  const space = spaceOf(prepared, shape, undefined);
  const candidate = likely(prepared, space, machine.decodeTokensPerSecond, machine.readBytesPerSecond);
  const pruned = isCut(shape, candidate);
  const steps = estimateSteps(
    {
      machine,
      prompts: prompts.training.length,
      heldOut: prompts.heldOut.length,
      parametersBefore: shape.parameters,
      parametersAfter: candidate.parameters,
      pruned,
    },
    checked,
  );
  return {
    machine,
    prompts: prompts.training.length,
    heldOut: prompts.heldOut.length,
    badLines: prompts.badLines,
    model: toChosen(candidate, { parameters: candidate.parameters, sizeBytes: candidate.bytes }),
    ...(checked.speedUp !== undefined && { speedUp: checked.speedUp }),
    steps,
    ms: steps.reduce((sum, { ms }) => sum + ms, 0),
    workBytes: workBytesOf(candidate.parameters, candidate.type),
  };
}

/** The first that would be tried; the smallest where none seems to do. */
function likely({ target }: Prepared, space: SearchSpace, tokensPerSecond: number, bytesPerSecond: number) {
  const full = { bytes: bytesPerSecond / tokensPerSecond, msPerToken: 1000 / tokensPerSecond };
  const time = tokenTimeOf(full);
  const [first] = findCandidates(space, ({ parameters, bytes, readBytes }) => {
    if (target.kind === "speedUp") return msOf(time, readBytes) * target.value <= full.msPerToken;
    if (target.kind === "targetSize") return parameters <= target.value;
    return target.kind === "quantize" || bytes <= target.value;
  });
  return first ?? smallestCandidate(space);
}
