/** The part of the contract with the native addon that sessions use: their stages, answers and scores; binding-types.ts has the whole. */

export interface NativePrefillOptions {
  readonly refresh: boolean;
  readonly parseSpecial: boolean;
  /** The prompt is all that the session is to hold; what it has in common with it stays. */
  readonly replace: boolean;
  readonly deterministic: boolean;
  /** Higher ones are read first. */
  readonly priority: number;
}

export interface NativePrefillResult {
  readonly promptTokens: number;
  readonly keptTokens: number;
  readonly refreshedTokens: number;
  readonly cachedTokens: number;
  readonly contextTokens: number;
  readonly ms: number;
}

/** Tokens' rows in the cache of who writes, with their XXH3 as 16 hexadecimal digits. */
export interface NativeCells {
  readonly rows: Uint8Array;
  readonly hash: string;
  /** Of the token after the text, where they were asked for. */
  readonly logits?: Float32Array;
}

/** A prefill that somebody else reads for. */
export interface NativePrefillElsewhere {
  /** All of the session's text with the prompt, and from where on its cells are wanted; undefined where it did not come to that. */
  readonly wanted: Promise<{ readonly tokens: Int32Array; readonly from: number } | undefined>;
  readonly result: Promise<NativePrefillResult>;
  /** Takes the next tokens' cells, the last of them with the logits. What cannot be them ends the prefill. */
  give(nTokens: number, rows: Uint8Array, hash: string, logits: Float32Array | undefined): void;
}

export interface NativeHandoverReport {
  readonly writer: string;
  readonly kind: "share" | "translate";
  readonly implementation: "share" | "cpu" | "graph" | "cuda" | "metal";
  readonly reason: string;
  readonly bytes: number;
  readonly tokens: number;
  readonly ms: number;
  /** For the part of the bytes that was moved before the switch. */
  readonly msAhead: number;
}

/** What wakes a lazy grammar, as in llama.cpp's `common_grammar_trigger`. */
export interface NativeGrammarTrigger {
  /** A token; a text wherever it stands; a regular expression; one that the whole answer has to match. */
  readonly type: "token" | "word" | "pattern" | "pattern-full";
  readonly value: string;
  /** For the type `token`. @default the token that `value` is the text of */
  readonly token?: number;
}

/** How long an answer may reason. Tags are texts; that of a control token stands for it. */
export interface NativeReasoningBudget {
  /** Tokens; 0 ends reasoning where it begins, a negative number never. */
  readonly tokens: number;
  readonly startTags: readonly string[];
  /** The first is what comes when the budget is spent. */
  readonly endTags: readonly string[];
  /** Comes before that tag. @default "" */
  readonly message?: string;
  /** The prompt ends within reasoning. */
  readonly inside: boolean;
}

export interface NativeDecodeOptions {
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  readonly minP: number;
  readonly typicalP: number;
  readonly repeatPenalty: number;
  readonly presencePenalty: number;
  readonly frequencyPenalty: number;
  readonly repeatLastN: number;
  readonly dryMultiplier: number;
  readonly dryBase: number;
  readonly dryAllowedLength: number;
  readonly dryPenaltyLastN: number;
  readonly drySequenceBreakers: readonly string[];
  readonly xtcProbability: number;
  readonly xtcThreshold: number;
  readonly topNSigma: number;
  readonly dynatempRange: number;
  readonly dynatempExponent: number;
  readonly mirostat: number;
  readonly mirostatTau: number;
  readonly mirostatEta: number;
  /** Empty: llama.cpp's. */
  readonly samplers: readonly string[];
  /** Negative: choose one. */
  readonly seed: number;
  readonly ignoreEos: boolean;
  readonly logitBiasTokens: Int32Array;
  readonly logitBiasValues: Float32Array;
  readonly grammar: string;
  /** The grammar sleeps until one of the triggers comes, and follows the answer from there. @default false */
  readonly grammarLazy?: boolean;
  readonly grammarTriggers?: readonly NativeGrammarTrigger[];
  /**
   * The end of the prompt that the grammar, if it is not lazy, and the budget for reasoning see as the answer's beginning.
   * @default ""
   */
  readonly generationPrompt?: string;
  /** With it, a lazy grammar does not read the reasoning; it gets the tag that ends it. */
  readonly reasoningBudget?: NativeReasoningBudget;
  /** Negative: none. */
  readonly logProbs: number;
  /** 0: no limit. */
  readonly maxTokens: number;
  readonly stop: readonly string[];
  readonly special: boolean;
  /** The texts of control tokens that appear even so, the end token included. What is not a token says nothing. */
  readonly preservedTokens?: readonly string[];
  /** 0: no refreshes. */
  readonly refreshInterval: number;
  /** The share of the writing's time that refreshes may take beside it. @default none */
  readonly refreshBudget?: number;
  /** @default "fast" */
  readonly quality?: "exact" | "near";
  /** Of `near`. */
  readonly acceptance?: number;
  /** For benchmarks: each drafted token stays with this probability, whatever the models say. */
  readonly syntheticAcceptance?: number;
  /** Read with no other session's tokens. */
  readonly deterministic: boolean;
  readonly priority: number;
  /** As for `handOver`. @default the one that the session has switched to */
  readonly writer?: number;
}

export interface NativeDecodeResult {
  readonly reason: "eos" | "stop" | "length" | "abort" | "context";
  readonly stop: string;
  readonly writer: string;
  readonly tokens: number;
  readonly decodeSteps: number;
  readonly refreshes: number;
  readonly refreshedTokens: number;
  readonly seed: number;
  readonly ms: number;
  /** Part of `ms`. */
  readonly refreshMs: number;
  /** Where a `quality` was asked for. */
  readonly verification?: {
    readonly checks: number;
    readonly draftedTokens: number;
    readonly foundTokens: number;
    readonly keptTokens: number;
    readonly replacedTokens: number;
  };
}

export interface NativeReading {
  readonly text: string;
  readonly tokens: Int32Array;
  /** Per token: token id and log-probability alternating, the token's own pair first. Absent if not asked for. */
  readonly logProbs?: Float64Array[];
  /** Set at the end of the answer. */
  readonly result?: NativeDecodeResult;
}

export interface NativeSessionStats {
  readonly stage: "empty" | "prefilled" | "switched" | "paused" | "ended" | "interrupted";
  readonly contextTokens: number;
  readonly contextSize: number;
  readonly prefillTokens: number;
  readonly refreshedTokens: number;
  readonly cachedTokens: number;
  readonly decodeTokens: number;
  readonly decodeSteps: number;
  readonly prefillMs: number;
  readonly switchMs: number;
  readonly decodeMs: number;
  readonly restoredTokens: number;
  readonly restoreMs: number;
}

export interface NativeSession {
  /** Whether it is gone with the process that it was in. Only a session of another process has this. */
  readonly lost?: boolean;
  /** Whether it waits for a server that reads in the prefill model's place, so that no batch tells that something goes on. */
  readonly isFetching?: boolean;
  prefill(
    prompt: string | Int32Array,
    options: NativePrefillOptions,
    onProgress: ((done: number, total: number) => void) | undefined,
  ): Promise<NativePrefillResult>;
  /**
   * As `prefill`, with cells that come from elsewhere in place of the prefill model's reading. Only a session of the addon
   * itself has this.
   */
  prefillElsewhere?(
    prompt: string | Int32Array,
    options: NativePrefillOptions,
    onProgress: ((done: number, total: number) => void) | undefined,
  ): NativePrefillElsewhere;
  /** Right after a switch: the cells of tokens as the writer has them, and the logits of the token after the text. */
  giveCells(from: number, nTokens: number, withLogits: boolean): Promise<NativeCells>;
  /** `writer`: 0 is the prefill model, from 1 on the decode models; undefined: the session's own. */
  handOver(writer: number | undefined): Promise<NativeHandoverReport>;
  /** Starts an answer. Throws at once if the session is busy or disposed. */
  decode(options: NativeDecodeOptions): NativeStream;
  /**
   * Takes the last tokens of the answer back, so that the session stands where the reader stopped. `tokens` is at most
   * the number that the answer had.
   */
  retract(tokens: number): Promise<void>;
  /** Keeps the first tokens of the text, at most those that there are. */
  truncate(nTokens: number): Promise<void>;
  /** Makes an empty session of the same pair a copy of this one. */
  fork(to: NativeSession): Promise<void>;
  /** Writes it to a file, with a note, which `restore` gives back. `compress`: K and V in q8_0. */
  save(path: string, note: string, compress: boolean): Promise<void>;
  /** Makes an empty session what was saved. `writer` writes next. */
  restore(path: string): Promise<{ readonly writer: string; readonly note: string }>;
  /**
   * Only on a session that has read nothing; it stays so. `rows`: two values each, the reader (0 prefill, 1 decode, 2
   * two-stage) and the refresh interval (0: none). `writer`: the decode model of the rows, from 1 on.
   */
  score(
    prompt: string | Int32Array,
    responses: readonly (string | Int32Array)[],
    rows: Int32Array,
    parseSpecial: boolean,
    writer: number,
  ): Promise<NativeScores>;
  /** Ends the stage that runs, if one does. */
  abort(): void;
  stats(): NativeSessionStats;
  /** Resolves when the session's place is free. Idempotent. */
  dispose(): Promise<void>;
}

export interface NativeScores {
  readonly promptTokens: number;
  readonly responses: {
    readonly tokens: Int32Array;
    readonly rows: {
      readonly logProbs: Float64Array;
      readonly agree: Uint8Array;
      readonly divergence: Float64Array;
    }[];
  }[];
}

export interface NativeStream {
  /**
   * Takes all that is there. While there is nothing, returns a promise; one read at a time.
   * Throws or rejects with the failure that ended the answer.
   */
  read(): NativeReading | Promise<NativeReading>;
}
