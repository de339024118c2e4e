/** The facts that `overfill doctor` tells: first what is found without loading anything, then what loading gives. */

import { arch, cpus, release, totalmem } from "node:os";
import { demoPair, demoQuestions, type GenerateResult, loadPair, type PairInfo } from "../../../engine/index.js";
import { OverfillError, type OverfillErrorCode } from "../../../errors/index.js";
import type { NativeDevice, NativeKernels } from "../../../internal/binding-types.js";
import {
  type BindingDescription,
  describeBinding,
  type GpuChoice,
  loadBinding,
  loadGpu,
} from "../../../internal/load-binding.js";
import { chooseThreads, type ThreadChoice } from "../../../internal/threads.js";

/** What can be told without loading native code. */
export interface Found {
  readonly node: string;
  readonly system: {
    readonly platform: string;
    readonly arch: string;
    readonly release: string;
    readonly cpu: string;
    readonly memoryBytes: number;
  };
  readonly binding: BindingDescription;
  readonly threads: ThreadChoice;
}

/** What the native part said once it was loaded. */
export interface Loaded {
  readonly llamaVersion: string;
  readonly llamaOrigin: "prebuilt" | "source";
  readonly cpuFeatures: string;
  readonly kernels: NativeKernels;
  readonly devices: readonly NativeDevice[];
  readonly gpu: GpuChoice;
}

/** The demo pair's answer in two stages. */
export interface Trial extends GenerateResult {
  readonly expected: string;
  readonly pair: PairInfo;
}

/** What is wrong; the message says what to do about it. */
export interface Problem {
  readonly code: OverfillErrorCode;
  readonly message: string;
  readonly details: Readonly<Record<string, unknown>>;
  /** The message of the error behind it. */
  readonly cause?: string;
}

export function findInstallation(): Found {
  return {
    node: process.versions.node,
    system: {
      platform: process.platform,
      arch: arch(),
      release: release(),
      cpu: cpus()[0]?.model.trim() ?? "unknown",
      memoryBytes: totalmem(),
    },
    binding: describeBinding(),
    threads: chooseThreads(),
  };
}

/** Throws the loader's errors. */
export function loadInstallation(): Loaded {
  const binding = loadBinding();
  // Loads the GPU back end that a pair would get, so that its devices are in the list.
  const gpu = loadGpu("auto");
  return {
    llamaVersion: binding.llamaVersionLoaded,
    llamaOrigin: binding.llamaOrigin,
    cpuFeatures: binding.cpuFeatures(),
    kernels: binding.tryKernels(),
    devices: binding.devices(),
    gpu,
  };
}

/** Loads the demo pair as `loadPair` would load any pair and answers its first question. */
export async function tryDemoPair(signal: AbortSignal): Promise<Trial> {
  const [{ prompt, answer } = { prompt: "", answer: "" }] = demoQuestions;
  await using pair = await loadPair({ ...demoPair, signal });
  await using session = await pair.createSession();
  const result = await session.generate(prompt, { temperature: 0, maxTokens: 48, stop: "\n", signal });
  return { ...result, expected: answer, pair: pair.info };
}

/** A wrong answer as a problem: arithmetic that went wrong without an error. */
export function problemOfTrial({ text, expected }: Trial): Problem | undefined {
  if (text === expected) return undefined;
  return {
    code: "ERR_INTERNAL",
    message: `the demo pair answered ${JSON.stringify(text)} instead of ${JSON.stringify(expected)}: please report this`,
    details: { text, expected },
  };
}

/** An error of the package as a problem; anything else is thrown again. */
export function problemOfError(error: unknown): Problem {
  if (!OverfillError.isInstance(error)) throw error;
  const { code, message, details, cause } = error;
  return { code, message, details: { ...details }, ...(cause instanceof Error && { cause: cause.message }) };
}
