/** Several answers to one prompt, written at once: in the session that has read it, and in forks of it. */

import type { GeneratedAnswer } from "./results.js";

/** Seeds are below this. */
const maxSeeds = 2 ** 32 - 1;

/** The seed of the answer at `index`, where the first has `seed`. */
export const seedOf = (seed: number, index: number): number => (seed + index) % maxSeeds;

/** A session that stands right before the answer. */
export interface AnswerPlace {
  /** Writes the answer of a number. Rejects with `signal.reason` when aborted. */
  write(index: number, signal: AbortSignal): Promise<GeneratedAnswer>;
  /** Takes an answer of so many tokens back: the place stands right before it again. */
  takeBack(tokens: number): Promise<void>;
  dispose(): Promise<void>;
}

/**
 * Takes as many forks as there are places free, and no more, as those who hold places could wait for each other for ever.
 * Forks that have written an answer go on with the next one. The session itself is left with answer 0.
 *
 * Rejects with what the first of them to fail rejects with, when all have ended.
 */
export async function writeAnswers(
  count: number,
  own: AnswerPlace,
  forkIfFree: () => Promise<AnswerPlace | undefined>,
  signal: AbortSignal | undefined,
): Promise<GeneratedAnswer[]> {
  const failed = new AbortController();
  const either = signal ? AbortSignal.any([signal, failed.signal]) : failed.signal;
  const answers: GeneratedAnswer[] = [];
  const forks: AnswerPlace[] = [];
  let next = count - 1;

  const writeOn = async (place: AnswerPlace, last: number) => {
    let before: GeneratedAnswer | undefined;
    while (next >= last) {
      const index = next--;
      if (before) await place.takeBack(before.decode.tokens);
      before = await place.write(index, either);
      answers[index] = before;
    }
  };
  const writeFirst = async () => {
    answers[0] = await own.write(0, either);
  };

  try {
    while (forks.length < count - 1) {
      const fork = await forkIfFree();
      if (!fork) break;
      forks.push(fork);
    }
    const writing = forks.length === 0 ? [writeOn(own, 0)] : [writeFirst(), ...forks.map((fork) => writeOn(fork, 1))];
    let error: { readonly thrown: unknown } | undefined;
    await Promise.all(
      writing.map((one) =>
        one.catch((thrown: unknown) => {
          error ??= { thrown };
          failed.abort(thrown);
        }),
      ),
    );
    if (error) throw error.thrown;
    return answers;
  } finally {
    await Promise.all(forks.map((fork) => fork.dispose()));
  }
}
