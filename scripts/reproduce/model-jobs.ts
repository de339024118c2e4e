/** The jobs that the reproductions have in common: a training, and a pruned model. */

import { type HealOptions, heal, prune } from "../../lib/index.js";
import type { Job } from "./jobs.js";

/** A training that goes on from its checkpoint. With other threads it is the same, but for the last bits. */
export function training(name: string, out: string, needs: readonly Job[], options: Omit<HealOptions, "out">): Job {
  const {
    student: _student,
    data: _data,
    evalData: _evalData,
    full: _full,
    threads: _threads,
    readerOut: _out,
    ...what
  } = options;
  return {
    name,
    out,
    needs,
    options: what,
    run: async (signal, onProgress) => {
      await heal({
        ...options,
        out,
        log: `${out}.log`,
        resume: true,
        gpu: false,
        signal,
        onProgress: ({ stage, fraction }) => stage === "training" && onProgress(fraction),
      });
    },
  };
}

/** @param window tokens of a sample that importance is measured on */
export function prunedModel(full: Job, calibration: Job, ratio: number, out: string, window: number): Job {
  return {
    name: `pruned by ${ratio}`,
    out,
    needs: [full, calibration],
    options: { ratio },
    run: async (signal) => {
      await prune({
        model: full.out,
        out,
        hidden: ratio,
        ffn: ratio,
        // 256 would be more than there is.
        multiple: 32,
        text: calibration.out,
        window,
        measure: false,
        threads: 1,
        gpu: false,
        signal,
      });
    },
  };
}
