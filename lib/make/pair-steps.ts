/** The steps of making a pair, each a file or a report from others. `make-pair.ts` puts them in their order. */

import { rm } from "node:fs/promises";
import { join } from "node:path";
import {
  type AnswerPromptsResult,
  answerPrompts,
  type BenchReport,
  bench,
  type EvaluationReport,
  evaluate,
} from "../eval/index.js";
import { type Importance, measureImportance, readImportance } from "../prune/index.js";
import { type HealProgress, type HealResult, heal } from "../train/index.js";
import type { Trial } from "./choose-model.js";
import { type MeasuredFull, measureMachine } from "./machine.js";
import { commonOf, loadingOf, ModelWriter } from "./model-writer.js";
import type { Prepared } from "./preparation.js";
import type { ProgressTeller } from "./progress-teller.js";
import { linesOf, plainTextOf } from "./prompt-files.js";
import { type DoneStep, put, type StepBook } from "./step-book.js";
import { type Candidate, isCut, type SearchSpace } from "./width-search.js";

/** Lines that are written, and those that are held out, as the training reads them. */
export interface AnsweredPrompts {
  readonly training: string;
  readonly heldOut: string;
  readonly answers: number;
  /** Tokens of all of them, about. */
  readonly tokens: number;
}

/** A model's file, and what it was made from. */
export interface MadeModel {
  readonly path: string;
  readonly key: string;
}

/** Of the calibration text. */
const longestWindow = 512;
const leastSamples = 8;

export class PairSteps {
  readonly #writer: ModelWriter;

  constructor(
    readonly prepared: Prepared,
    readonly book: StepBook,
    readonly teller: ProgressTeller,
  ) {
    this.#writer = new ModelWriter(prepared, book.folder, teller);
  }

  file(name: string): string {
    return join(this.book.folder, name);
  }

  measure(): Promise<DoneStep<MeasuredFull>> {
    const { checked, source, prompts, parent } = this.prepared;
    this.teller.begin("measuring");
    return this.book.do({
      name: "measuring",
      facts: {
        model: parent.mark,
        gpuLayers: source.gpuLayers,
        ...factsOf(checked, ["contextSize", "threads", "gpu"]),
      },
      needs: [],
      files: [],
      run: () =>
        measureMachine(
          source,
          prompts.training.map(({ asked }) => asked),
          checked,
          (fraction) => this.teller.tell({ fraction }),
        ),
    });
  }

  answer(): Promise<DoneStep<AnsweredPrompts>> {
    const { checked, parent, prompts } = this.prepared;
    const [training, heldOut] = [this.file("train.jsonl"), this.file("held-out.jsonl")];
    const counts = { training: prompts.training.length, heldOut: prompts.heldOut.length };
    if (checked.responses === "write") this.teller.begin("answering");
    return this.book.do({
      name: "answering",
      facts: { ...factsOf(checked, ["responses", "answering", "seed", "contextSize"]), data: prompts.hash, counts },
      needs: [parent.mark],
      files: [training, heldOut],
      run: async (goesOn) => {
        if (checked.responses === "keep") {
          await put(training, linesOf(prompts.training));
          await put(heldOut, linesOf(prompts.heldOut));
          return { training, heldOut, answers: counts.training, tokens: 0 };
        }
        const share = counts.training / (counts.training + counts.heldOut);
        const own = await this.#answerLines(training, prompts.training, goesOn, 0, share, checked.answering ?? {});
        // Held-out answers are the likeliest ones: what is compared is not the luck of a draw.
        const likeliest = { temperature: 0, answers: 1, keepCut: true };
        const { stop, maxTokens, sessions } = checked.answering ?? {};
        const others = { ...definedOf({ stop, maxTokens, sessions }), ...likeliest };
        await this.#answerLines(heldOut, prompts.heldOut, goesOn, share, 1 - share, others);
        return { training, heldOut, answers: own.kept, tokens: own.tokens };
      },
    });
  }

  async #answerLines(
    out: string,
    prompts: Prepared["prompts"]["training"],
    resume: boolean,
    from: number,
    share: number,
    answering: object,
  ): Promise<AnswerPromptsResult> {
    const { checked, source } = this.prepared;
    const data = `${out}.prompts`;
    await put(data, linesOf(prompts));
    return answerPrompts({
      ...answering,
      ...loadingOf(this.prepared),
      model: source,
      data,
      out,
      resume,
      seed: checked.seed,
      maxBadLines: checked.maxBadLines,
      onBadLine: checked.onBadLine,
      onProgress: ({ stage, fraction, prompts: done, totalPrompts, tokensPerSecond }) =>
        stage === "answering" &&
        this.teller.tell({
          fraction: from + share * fraction,
          detail: `${done}/${totalPrompts} prompts, ${tokensPerSecond.toFixed(1)} tokens/s`,
        }),
    });
  }

  /** Of the full model, or of one that was healed half-way. */
  async importanceOf(
    of: MadeModel,
    name: string,
    answered: DoneStep<AnsweredPrompts>,
    { machine, shape }: MeasuredFull,
  ): Promise<MadeModel & { readonly importance: Importance; readonly ms: number }> {
    const { checked, source, text, textMark } = this.prepared;
    const out = this.file(`${name}.gguf`);
    this.teller.begin("importance");
    const done = await this.book.do({
      name,
      facts: { ...factsOf(checked, ["window"]), text: textMark },
      needs: [of.key, answered.key],
      files: [out],
      run: async () => {
        const file = text ?? this.file("calibration.txt");
        if (text === undefined) await put(file, await plainTextOf(answered.result.training, checked.signal));
        const { answers, tokens } = answered.result;
        const total = answers * machine.promptTokens + tokens;
        const fitting = Math.min(longestWindow, shape.trainedContextSize, Math.floor(total / leastSamples));
        const window = checked.window ?? (text === undefined ? Math.max(2, fitting) : undefined);
        const isFull = of.path === source.model;
        await measureImportance({
          ...commonOf(this.prepared),
          ...(isFull ? source : { model: of.path }),
          text: file,
          out,
          ...(window !== undefined && { window }),
          onProgress: ({ stage, fraction }) => this.teller.tell({ fraction, detail: stage }),
        });
        return {};
      },
    });
    const importance = await readImportance(out);
    // What was just written is importance.
    return { importance: importance as Importance, path: out, key: done.key, ms: done.ms };
  }

  /** Makes a candidate without healing it, and looks at its size and, where it counts, its speed. */
  try(
    space: SearchSpace,
    candidate: Candidate,
    importance: MadeModel | undefined,
    measured: DoneStep<MeasuredFull>,
  ): Promise<DoneStep<Trial>> {
    const { hidden, ffn, layers, type } = candidate;
    const { target, source } = this.prepared;
    return this.book.do({
      name: `trial-${hidden}-${ffn}-${layers}-${type}`,
      facts: { target: target.kind, multiple: space.multiple },
      needs: [measured.key, importance?.key ?? ""],
      files: [],
      run: async () => {
        const [cut, coarse] = [this.file("trial-pruned.gguf"), this.file("trial.gguf")];
        const detail = `${hidden} x ${ffn}, ${layers} layers, ${type}`;
        this.teller.tell({ fraction: 0, detail });
        try {
          if (isCut(space.shape, candidate))
            await this.#writer.prune(source, space, candidate, importance?.path, cut, false);
          const from = isCut(space.shape, candidate) ? cut : source.model;
          const { parameters, sizeBytes } = await this.#writer.quantize(from, coarse, type, undefined);
          this.teller.tell({ fraction: 0.3, detail });
          if (target.kind !== "speedUp") return { parameters, sizeBytes };
          return { parameters, sizeBytes, speedUp: await this.#writer.speedOf(coarse, measured.result, detail) };
        } finally {
          for (const file of [cut, coarse]) await rm(file, { force: true });
        }
      },
    });
  }

  prune(
    of: MadeModel,
    name: string,
    space: SearchSpace,
    to: { readonly hidden: number; readonly ffn: number; readonly layers: number },
    importance: MadeModel,
  ): Promise<DoneStep<unknown>> {
    const { source } = this.prepared;
    const out = this.file(`${name}.gguf`);
    this.teller.begin("pruning");
    return this.book.do({
      name,
      facts: { ...to, multiple: space.multiple },
      needs: [of.key, importance.key],
      files: [out],
      run: () => {
        const isFull = of.path === source.model;
        return this.#writer.prune(isFull ? source : { model: of.path }, space, to, importance.path, out, !isFull);
      },
    });
  }

  heal(
    student: MadeModel,
    name: string,
    answered: DoneStep<AnsweredPrompts>,
    part: number,
  ): Promise<DoneStep<Omit<HealResult, "losses">>> {
    const { checked, source, parent } = this.prepared;
    const { epochs = 1, maxSteps, ...healing } = checked.healing ?? {};
    const steps = maxSteps === undefined ? { epochs: epochs * part } : { maxSteps: Math.ceil(maxSteps * part) };
    const out = this.file(`${name}.gguf`);
    this.teller.begin("healing");
    return this.book.do({
      name,
      facts: { ...factsOf(checked, ["healing", "seed"]), part },
      needs: [student.key, answered.key, parent.mark],
      files: [out],
      run: async (goesOn) => {
        const { losses: _losses, ...result } = await heal({
          ...commonOf(this.prepared),
          ...healing,
          ...steps,
          full: source,
          student: student.path,
          data: answered.result.training,
          evalData: answered.result.heldOut,
          out,
          resume: goesOn,
          seed: checked.seed,
          maxBadLines: checked.maxBadLines,
          onBadLine: checked.onBadLine,
          onProgress: (news) => this.teller.tell(healingNews(news)),
        });
        // Of three times the model's size in f32, and of no use any more.
        await rm(`${out}.checkpoint`, { force: true });
        return result;
      },
    });
  }

  evaluate(
    of: MadeModel,
    name: string,
    answered: DoneStep<AnsweredPrompts>,
    tellAs: (fraction: number, stage: string) => void,
  ): Promise<DoneStep<EvaluationReport>> {
    const { checked, source } = this.prepared;
    return this.book.do({
      name,
      facts: factsOf(checked, ["contextSize", "threads", "gpu"]),
      needs: [of.key, answered.key],
      files: [],
      run: () =>
        evaluate({
          ...loadingOf(this.prepared),
          prefill: source,
          decode: of.path,
          data: answered.result.heldOut,
          task: "responses",
          seed: checked.seed,
          maxBadLines: checked.maxBadLines,
          onProgress: ({ stage, fraction }) => tellAs(fraction, stage),
        }),
    });
  }

  quantize(of: MadeModel, type: string, out: string, calibration: string): Promise<DoneStep<Trial>> {
    this.teller.begin("quantizing");
    return this.book.do({
      name: "quantizing",
      facts: { type },
      needs: [of.key],
      files: [out],
      run: () => this.#writer.quantize(of.path, out, type, calibration),
    });
  }

  bench(of: MadeModel, answered: DoneStep<AnsweredPrompts>): Promise<DoneStep<BenchReport>> {
    const { checked, source } = this.prepared;
    return this.book.do({
      name: "bench",
      facts: factsOf(checked, ["contextSize", "threads", "gpu"]),
      needs: [of.key, answered.key],
      files: [],
      run: () =>
        bench({
          ...loadingOf(this.prepared),
          prefill: source,
          decode: of.path,
          data: answered.result.heldOut,
          onProgress: ({ stage, fraction }) => this.teller.tell({ fraction: 0.5 + 0.5 * fraction, detail: stage }),
        }),
    });
  }
}

/** Options by which a step is told from another, where they are given. */
function factsOf<Name extends keyof Prepared["checked"]>(checked: Prepared["checked"], names: readonly Name[]): object {
  return Object.fromEntries(names.map((name) => [name, checked[name]]));
}

const definedOf = (options: object): object =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));

function healingNews({ stage, fraction, step, steps, loss }: HealProgress) {
  const detail = stage === "training" ? `step ${step}/${steps}` : stage;
  // Evaluations and loading have fractions of their own.
  const done = steps > 0 ? step / steps : 0;
  return { fraction: stage === "training" ? fraction : done, detail, ...(step > 0 && { loss }) };
}
