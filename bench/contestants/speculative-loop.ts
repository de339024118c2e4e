/** llama.cpp's own way of speculative decoding, in a process of its own: see bench/speculative. */

import { startLineProcess } from "../line-process.js";
import type { ContestantSettings, NativeProgram } from "./contestant.js";

export interface SpeculativeSettings extends ContestantSettings {
  readonly prefill: string;
  readonly decode: string;
}

export interface SpeculativeAnswer {
  readonly ms: number;
  readonly draftedTokens: number;
  readonly checks: number;
}

export interface SpeculativeLoop {
  readonly pid: number;
  /** Of the draft model's own cache. */
  readonly secondCacheBytes: number;
  /** Reads the prompt with both models. */
  prompt(tokens: readonly number[]): Promise<void>;
  /** The tokens of an answer after its first one; then it is forgotten. */
  decode(answer: {
    readonly tokens: number;
    readonly draftLength: number;
    readonly acceptance: number;
    readonly seed: number;
  }): Promise<SpeculativeAnswer>;
  close(): Promise<void>;
}

export async function startSpeculativeLoop(
  { program, libraries }: NativeProgram,
  { prefill, decode, threads, contextSize }: SpeculativeSettings,
): Promise<SpeculativeLoop> {
  const args = [prefill, decode, libraries, String(threads), String(contextSize)];
  const { pid, greeting, ask, close } = await startLineProcess(program, args);
  return {
    pid,
    secondCacheBytes: Number(greeting.split(" ")[1]),
    async prompt(tokens) {
      await ask(`prompt ${tokens.join(" ")}`);
    },
    async decode({ tokens, draftLength, acceptance, seed }) {
      const [ms = 0, draftedTokens = 0, checks = 0] = (
        await ask(`decode ${tokens} ${draftLength} ${acceptance} ${seed}`)
      )
        .split(" ")
        .map(Number);
      return { ms, draftedTokens, checks };
    },
    close,
  };
}
