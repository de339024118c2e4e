/** The memory that a model or a pair will take, from what the files' heads tell. */

/** What loading would take, but compute buffers, which depend on the device. */
export interface MemoryEstimate {
  readonly contextSize: number;
  readonly weightsBytes: number;
  /** One cache if it is shared, two otherwise. */
  readonly kvBytes: number;
  /** The recurrent state of one session. */
  readonly stateBytes: number;
  readonly totalBytes: number;
}

/** What a model takes memory for. */
export interface MemoryFacts {
  readonly sizeBytes: number;
  /** Of a cache of its own. */
  readonly kvBytesPerToken: number;
  readonly stateBytesPerSession: number;
  readonly trainedContextSize: number;
}

/** The largest context that a pair takes without being asked to. */
const defaultContext = 4096;
/** llama.cpp allocates caches in multiples of so many tokens. */
const contextStep = 256;

/**
 * @param files the models whose weights are in memory
 * @param caches the models whose caches are
 * @param asked tokens of context
 */
export function estimateMemory(
  files: readonly MemoryFacts[],
  caches: readonly MemoryFacts[],
  asked: number | undefined,
): MemoryEstimate {
  const tokens = asked ?? Math.min(defaultContext, ...files.map((model) => model.trainedContextSize));
  const contextSize = Math.ceil(tokens / contextStep) * contextStep;
  const weightsBytes = files.reduce((sum, model) => sum + model.sizeBytes, 0);
  const kvBytes = caches.reduce((sum, model) => sum + model.kvBytesPerToken * contextSize, 0);
  const stateBytes = caches.reduce((sum, model) => sum + model.stateBytesPerSession, 0);
  return { contextSize, weightsBytes, kvBytes, stateBytes, totalBytes: weightsBytes + kvBytes + stateBytes };
}
