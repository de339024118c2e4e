/** Who is measured: one process each, all doing the same two things. */

import { type RemoteProcess, startProcess } from "../child-process.js";
import { startLineProcess } from "../line-process.js";

/** Answers in wall-clock milliseconds, as the contestant's own caller sees them. */
export interface Contestant {
  readonly name: string;
  readonly pid: number;
  /** Forgets everything, reads the prompt and gives the first token of the answer. */
  prompt(tokens: readonly number[]): Promise<number>;
  /** Goes on with the answer by so many tokens, greedily and past end tokens; each takes one step of the model. */
  decode(nTokens: number): Promise<number>;
  close(): Promise<void>;
}

export interface ContestantSettings {
  readonly threads: number;
  readonly contextSize: number;
}

export interface OverfillSettings extends ContestantSettings {
  readonly prefill: string;
  /** Left out: a pair of one. */
  readonly decode?: string;
}

export interface SingleModelSettings extends ContestantSettings {
  readonly model: string;
}

/** A native program and the folder of the back ends. */
export interface NativeProgram {
  readonly program: string;
  readonly libraries: string;
}

export type ContestantRequest<Settings> =
  | { readonly verb: "open"; readonly settings: Settings }
  | { readonly verb: "prompt"; readonly tokens: readonly number[] }
  | { readonly verb: "decode"; readonly nTokens: number };

export const openOverfill = (name: string, settings: OverfillSettings): Promise<Contestant> =>
  open(name, new URL("./overfill-process.ts", import.meta.url), settings);

export const openNodeLlamaCpp = (name: string, settings: SingleModelSettings): Promise<Contestant> =>
  open(name, new URL("./node-llama-cpp-process.ts", import.meta.url), settings);

async function open<Settings>(name: string, url: URL, settings: Settings): Promise<Contestant> {
  const remote: RemoteProcess<ContestantRequest<Settings>, number> = startProcess(url);
  await remote.ask({ verb: "open", settings });
  return {
    name,
    pid: remote.pid,
    prompt: (tokens) => remote.ask({ verb: "prompt", tokens }),
    decode: (nTokens) => remote.ask({ verb: "decode", nTokens }),
    close: () => remote.close(),
  };
}

export async function openNativeLoop(
  name: string,
  loop: NativeProgram,
  settings: SingleModelSettings,
): Promise<Contestant> {
  const { pid, ask, close } = await startNativeLoop(loop, settings);
  return {
    name,
    pid,
    prompt: (tokens) => ask(`prompt ${tokens.join(" ")}`),
    decode: (nTokens) => ask(`decode ${nTokens}`),
    close,
  };
}

/** The native loop's process, which answers each line with milliseconds. */
export async function startNativeLoop(
  { program, libraries }: NativeProgram,
  { model, threads, contextSize }: SingleModelSettings,
  sequences = 1,
) {
  const args = [model, libraries, String(threads), String(contextSize), String(sequences)];
  const { pid, ask, close } = await startLineProcess(program, args);
  return { pid, ask: async (request: string) => Number(await ask(request)), close };
}
