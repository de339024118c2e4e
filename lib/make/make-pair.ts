/** Makes a measured pair of a full model: the steps in their order. */

import { join } from "node:path";
import { createError } from "../errors/create-error.js";
import { runJob } from "../internal/abortable.js";
import { fromCaller } from "../internal/caller-stack.js";
import { loadBinding } from "../internal/load-binding.js";
import { type Choice, chooseModel } from "./choose-model.js";
import { estimateSteps } from "./estimates.js";
import { lockFolder } from "./folder-lock.js";
import type { MeasuredFull } from "./machine.js";
import { readParameters, widthsOf } from "./model-cost.js";
import { timesOf } from "./model-writer.js";
import type { MakePairOptions } from "./options.js";
import { writePairFolder } from "./pair-card.js";
import { type AnsweredPrompts, type MadeModel, PairSteps } from "./pair-steps.js";
import { type Prepared, prepare, refuseFullSize, spaceOf, toChosen } from "./preparation.js";
import { ProgressTeller } from "./progress-teller.js";
import type { MadePair, MadeStep } from "./results.js";
import { type DoneStep, StepBook } from "./step-book.js";
import { checkMakeOptions } from "./validation.js";
import { findCandidates, halfWay, isCut, type SearchSpace } from "./width-search.js";

/** What is in the pair's folder while it is made; it can be removed then. */
export const workFolderName = "work";

/**
 * Makes a pair of a full model and its own small child, in a folder that {@link loadPair} takes: measures this machine,
 * has the full model answer the prompts, measures importance, chooses widths and type for what is wanted, prunes, heals,
 * evaluates, quantises, evaluates again, and writes `decode.gguf`, `overfill.json`, `card.md` and `card.svg`.
 *
 * What is done stays in the folder's `work`: after whatever ended a run (an abort, a kill, a full disk), the same call goes
 * on, answers and training in the middle. Other options do again what depends on them. One call at a time works in a
 * folder.
 *
 * Rejects with
 * - ERR_INVALID_ARGUMENT for an option out of range, options that contradict each other, or a target that the full model
 *   meets itself;
 * - ERR_DATA_INVALID for data with fewer than two usable prompts, or with more bad lines than `maxBadLines`, and where the
 *   full model's answers leave nothing to learn from;
 * - ERR_TARGET_UNREACHABLE for a target that no decode model meets; `details.reachable` is what was timed, or estimated where
 *   that is far from it;
 * - ERR_PAIR_FOLDER_BUSY where another call works in the folder; `details.pid` is its process;
 * - what {@link loadPair}, {@link answerPrompts}, {@link measureImportance}, {@link prune}, {@link heal},
 *   {@link evaluate}, {@link quantize} and {@link bench} reject with;
 * - `signal.reason` when aborted, or what a callback has thrown.
 */
export async function makePair(options: MakePairOptions): Promise<MadePair> {
  return fromCaller(() => make(options));
}

async function make(options: MakePairOptions): Promise<MadePair> {
  const since = performance.now();
  const checked = checkMakeOptions(options);
  const { signal } = checked;
  signal?.throwIfAborted();
  const prepared = await prepare(checked);
  const book = await StepBook.open(join(prepared.folder, workFolderName));
  await using _ = await lockFolder(prepared.folder, book.folder);
  // Before the long work: where the pair cannot be written, that is told now.
  await runJob(() => loadBinding().checkTextOutput(join(prepared.folder, "overfill.json")), signal);
  const steps = new PairSteps(prepared, book, new ProgressTeller(options.onProgress, signal));
  return new Making(prepared, steps).finish(since);
}

class Making {
  readonly #done: MadeStep[] = [];

  constructor(
    readonly prepared: Prepared,
    readonly steps: PairSteps,
  ) {}

  async finish(since: number): Promise<MadePair> {
    const { prepared, steps } = this;
    const { folder, prompts, source, parent } = prepared;
    const measured = await this.#note("measuring", steps.measure());
    const { machine, shape } = measured.result;
    refuseFullSize(prepared, shape);
    this.#expect(measured, undefined);
    const answered = await this.#note("answering", steps.answer());
    if (answered.result.answers === 0)
      throw createError("ERR_DATA_INVALID", "none of the full model's answers is fit to learn from", {
        path: answered.result.training,
        reason: "all were cut off, empty or repeated",
      });
    const full: MadeModel = { path: source.model, key: parent.mark };
    const importance =
      prepared.target.kind === "quantize"
        ? undefined
        : await this.#note("importance", steps.importanceOf(full, "importance", answered, measured.result));
    const space = spaceOf(prepared, shape, importance?.importance);
    const choice = await this.#choose(space, importance, measured);
    const { candidate } = choice;
    this.#expect(measured, choice);
    const pruned = isCut(shape, candidate);
    const student =
      pruned && importance ? await this.#train(space, choice, full, importance, answered, measured) : full;
    const healed = pruned
      ? await this.#note("evaluating", this.#evaluate(student, "evaluating", answered, 1))
      : undefined;
    const decode = join(folder, "decode.gguf");
    const quantized = await this.#note(
      "quantizing",
      steps.quantize(student, candidate.type, decode, answered.result.training),
    );
    const made: MadeModel = { path: decode, key: quantized.key };
    const evaluation = await this.#note("comparing", this.#evaluate(made, "comparing", answered, 0.5));
    const bench = await this.#note("bench", steps.bench(made, answered));
    const pair: MadePair = {
      path: folder,
      machine,
      prompts: prompts.training.length,
      heldOut: prompts.heldOut.length,
      answers: answered.result.answers,
      badLines: prompts.badLines,
      model: toChosen(candidate, quantized.result),
      tried: choice.tried.flatMap(({ candidate: one, trial }) =>
        trial.speedUp === undefined ? [] : [{ ...toChosen(one, trial), speedUp: trial.speedUp }],
      ),
      pruned,
      ...(healed && { healed: healed.result }),
      evaluation: evaluation.result,
      bench: bench.result,
      speedUp: timesOf(bench.result.rows),
      steps: this.#done,
      ms: performance.now() - since,
    };
    await writePairFolder(pair, prepared);
    return pair;
  }

  async #note<Done extends object>(step: string, doing: Promise<Done>): Promise<Done> {
    const done = await doing;
    const { ms } = done as { readonly ms?: number };
    if (ms !== undefined) this.#done.push({ step, ms });
    return done;
  }

  /** What is still to come, as it is known by now. */
  #expect({ result: { machine, shape } }: DoneStep<MeasuredFull>, choice: Choice | undefined): void {
    const { prompts, target, checked } = this.prepared;
    const parametersAfter = choice?.trial.parameters ?? shape.parameters / 2;
    this.steps.teller.expect(
      estimateSteps(
        {
          ...{ machine, parametersAfter, parametersBefore: shape.parameters },
          ...{ prompts: prompts.training.length, heldOut: prompts.heldOut.length },
          pruned: choice ? isCut(shape, choice.candidate) : target.kind !== "quantize",
        },
        checked,
      ),
    );
  }

  async #choose(
    space: SearchSpace,
    importance: MadeModel | undefined,
    measured: DoneStep<MeasuredFull>,
  ): Promise<Choice> {
    const { machine, shape } = measured.result;
    const { target } = this.prepared;
    if (target.kind === "quantize") {
      // There is one candidate, and its own step makes it.
      const [candidate] = findCandidates(space, () => true);
      if (!candidate) throw new Error("there is no candidate");
      const { parameters, bytes: sizeBytes } = candidate;
      return { candidate, trial: { parameters, sizeBytes }, tried: [] };
    }
    this.steps.teller.begin("choosing");
    const bytes = (readParameters(shape, widthsOf(shape)) * shape.sizeBytes) / shape.parameters;
    const full = { bytes, msPerToken: 1000 / machine.decodeTokensPerSecond };
    return chooseModel(space, target, full, async (candidate) => {
      const trial = await this.#note("choosing", this.steps.try(space, candidate, importance, measured));
      return trial.result;
    });
  }

  async #train(
    space: SearchSpace,
    { candidate }: Choice,
    full: MadeModel,
    importance: MadeModel,
    answered: DoneStep<AnsweredPrompts>,
    measured: DoneStep<MeasuredFull>,
  ): Promise<MadeModel> {
    const half = this.prepared.checked.rounds === 2 ? halfWay(space, candidate) : undefined;
    if (!half) return this.#round(full, "", space, candidate, importance, answered, 1);
    const first = await this.#round(full, "-half-way", space, half, importance, answered, 0.5);
    const again = await this.#note(
      "importance",
      this.steps.importanceOf(first, "importance-half-way", answered, measured.result),
    );
    return this.#round(first, "", space, candidate, again, answered, 0.5);
  }

  async #round(
    of: MadeModel,
    suffix: string,
    space: SearchSpace,
    to: { readonly hidden: number; readonly ffn: number; readonly layers: number },
    importance: MadeModel,
    answered: DoneStep<AnsweredPrompts>,
    part: number,
  ): Promise<MadeModel> {
    const { steps } = this;
    const pruned = await this.#note("pruning", steps.prune(of, `pruned${suffix}`, space, to, importance));
    const student = { path: steps.file(`pruned${suffix}.gguf`), key: pruned.key };
    const healed = await this.#note("healing", steps.heal(student, `healed${suffix}`, answered, part));
    return { path: steps.file(`healed${suffix}.gguf`), key: healed.key };
  }

  #evaluate(
    of: MadeModel,
    name: "evaluating" | "comparing",
    answered: DoneStep<AnsweredPrompts>,
    share: number,
  ): ReturnType<PairSteps["evaluate"]> {
    const { teller } = this.steps;
    teller.begin(name);
    return this.steps.evaluate(of, name, answered, (fraction, detail) =>
      teller.tell({ fraction: share * fraction, detail }),
    );
  }
}
