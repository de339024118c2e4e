/** The process of {@link measureInterference}: answers that run, at first undisturbed, then while a long prompt is read. */

import { loadPair, type Session } from "../../lib/index.js";
import { serve } from "../child-process.js";

export interface InterferenceRequest {
  readonly prefill: string;
  readonly decode: string;
  readonly threads: number;
  readonly contextSize: number;
  readonly answers: number;
  /** Of each answer, before the long prompt and beside it. */
  readonly tokens: number;
  readonly shortPrompt: readonly number[];
  readonly longPrompt: readonly number[];
}

export interface InterferenceTiming {
  /** Milliseconds from one token to the next, of all answers. */
  readonly undisturbedMs: readonly number[];
  readonly disturbedMs: readonly number[];
  /** Tokens of the long prompt that were read while the answers ran, and in what time. */
  readonly promptTokens: number;
  readonly promptMs: number;
}

/** The time from one chunk to the next. */
interface Gap {
  readonly begin: number;
  readonly end: number;
}

serve<InterferenceRequest, InterferenceTiming>(async (request) => {
  const { prefill, decode, threads, contextSize, answers, tokens, shortPrompt, longPrompt } = request;
  await using pair = await loadPair({
    prefill: { model: prefill },
    decode: { model: decode },
    contextSize,
    maxSessions: answers + 1,
    threads,
    gpu: false,
  });
  const writers = await Promise.all(Array.from({ length: answers }, () => pair.createSession()));
  for (const writer of writers) {
    await writer.prefill(shortPrompt);
    await writer.switch();
  }
  await Promise.all(writers.map((writer) => write(writer, 1)));
  const undisturbed = await Promise.all(writers.map((writer) => write(writer, tokens)));

  const prompt = readUntilStopped(await pair.createSession(), longPrompt);
  // It comes when all answers run.
  let nRunning = 0;
  const onRunning = () => {
    if (++nRunning === answers) prompt.begin();
    return prompt.begun;
  };
  const beside = await Promise.all(writers.map((writer) => write(writer, tokens, onRunning)));
  const reading = await prompt.stop();
  const milliseconds = (gaps: readonly Gap[][]) => gaps.flat().map(({ begin, end }) => end - begin);
  return {
    undisturbedMs: milliseconds(undisturbed),
    disturbedMs: milliseconds(
      beside.map((gaps) => gaps.filter(({ begin, end }) => end > reading.begin && begin < reading.end)),
    ),
    promptTokens: reading.tokens,
    promptMs: reading.end - reading.begin,
  };
});

/** A prefill that begins when it is told to, and ends by itself or when it is stopped. */
function readUntilStopped(reader: Session, longPrompt: readonly number[]) {
  const stop = new AbortController();
  const reading = { begin: 0, end: 0, tokens: 0 };
  const onProgress = ({ tokens }: { readonly tokens: number }) => {
    reading.tokens = tokens;
  };
  const prefill = async () => {
    reading.begin = performance.now();
    try {
      await reader.prefill(longPrompt, { signal: stop.signal, onProgress });
    } catch (error) {
      if (!stop.signal.aborted) throw error;
    }
    reading.end ||= performance.now();
  };
  let begin: () => void = () => {};
  const begun = new Promise<void>((resolve) => {
    begin = resolve;
  });
  const ended = begun.then(prefill);
  return {
    begin,
    begun,
    async stop() {
      reading.end ||= performance.now();
      const told = { ...reading };
      stop.abort();
      await ended;
      return told;
    },
  };
}

/** Goes on with an answer; the times between its chunks, which are single tokens unless the reader is slower than the model. */
async function write(session: Session, maxTokens: number, onRunning?: () => Promise<void>): Promise<Gap[]> {
  const gaps: Gap[] = [];
  let before: number | undefined;
  for await (const _ of session.decode({ maxTokens, temperature: 0, ignoreEos: true })) {
    const now = performance.now();
    if (before === undefined) await onRunning?.();
    else gaps.push({ begin: before, end: now });
    before = now;
  }
  return gaps;
}
