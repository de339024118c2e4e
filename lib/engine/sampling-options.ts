/** How the next token is chosen: options of every call that writes. */

/** A sampler of {@link SamplingOptions.samplers}, by llama.cpp's name. */
export type SamplerName =
  | "penalties"
  | "dry"
  | "top_n_sigma"
  | "top_k"
  | "typ_p"
  | "top_p"
  | "min_p"
  | "xtc"
  | "temperature";

/** How the next token is chosen; names, order and defaults are llama.cpp's. */
export interface SamplingOptions {
  /** 0 to 1000; 0 is exact argmax, on which penalties, DRY and XTC have an influence, and nothing else. @default 0.8 */
  readonly temperature?: number | undefined;
  /**
   * Dynamic temperature: by how much it may be lower or higher than `temperature`, the surer the model is the lower; 0 to
   * 1000; 0 is off.
   * @default 0
   */
  readonly dynatempRange?: number | undefined;
  /** How the model's entropy becomes a temperature of that range: 0 to 100; 1 is linear. @default 1 */
  readonly dynatempExponent?: number | undefined;
  /** Keep the k likeliest tokens; 0 keeps all. @default 40 */
  readonly topK?: number | undefined;
  /** Keep the likeliest tokens that together reach this probability: 0 to 1; 1 keeps all. @default 0.95 */
  readonly topP?: number | undefined;
  /** Drop tokens less likely than this share of the likeliest one's probability: 0 to 1; 0 keeps all. @default 0.05 */
  readonly minP?: number | undefined;
  /** Locally typical sampling: 0 to 1; 1 keeps all. @default 1 */
  readonly typicalP?: number | undefined;
  /** Divides the logits of tokens seen recently: more than 0; 1 is off. @default 1 */
  readonly repeatPenalty?: number | undefined;
  /** Subtracted once from the logits of tokens seen recently: -100 to 100. @default 0 */
  readonly presencePenalty?: number | undefined;
  /** Subtracted per occurrence from the logits of tokens seen recently: -100 to 100. @default 0 */
  readonly frequencyPenalty?: number | undefined;
  /** How many tokens count as recent for the penalties, prompt included; 0 is none, -1 all. @default 64 */
  readonly repeatLastN?: number | undefined;
  /**
   * DRY: how much is subtracted from the logit of a token that would make a repetition longer; 0 to 100; 0 is off. It is
   * `dryMultiplier` times `dryBase` to the power of the tokens by which the repetition is longer than `dryAllowedLength`.
   * @default 0
   */
  readonly dryMultiplier?: number | undefined;
  /** 1 to 100. @default 1.75 */
  readonly dryBase?: number | undefined;
  /** Tokens that may be repeated freely: 0 or more. @default 2 */
  readonly dryAllowedLength?: number | undefined;
  /** How many tokens DRY looks back, prompt included; 0 is none, -1 all. @default 64 */
  readonly dryPenaltyLastN?: number | undefined;
  /** Texts that no repetition goes across; at most 16, of which the first 40 bytes count. @default ["\n", ":", "\"", "*"] */
  readonly drySequenceBreakers?: readonly string[] | undefined;
  /** XTC: how often all but the last of the tokens over `xtcThreshold` are dropped: 0 to 1; 0 is off. @default 0 */
  readonly xtcProbability?: number | undefined;
  /** A probability from 0 to 1; more than 0.5 is off. @default 0.1 */
  readonly xtcThreshold?: number | undefined;
  /** Keep tokens whose logits are within so many standard deviations of the largest: -1 to 1000; 0 or less is off. @default -1 */
  readonly topNSigma?: number | undefined;
  /**
   * Mirostat, version 1 or 2, in place of all samplers but the temperature; 0 is off. Where a call continues an answer, it
   * goes on. At temperature 0 it has no effect.
   * @default 0
   */
  readonly mirostat?: 0 | 1 | 2 | undefined;
  /** The surprise that Mirostat aims at, in bits a token: 0 to 100. @default 5 */
  readonly mirostatTau?: number | undefined;
  /** How fast Mirostat learns: 0 to 100. @default 0.1 */
  readonly mirostatEta?: number | undefined;
  /**
   * The samplers in the order in which they are applied, at least one; those that are missing do nothing.
   * @default ["penalties", "dry", "top_n_sigma", "top_k", "typ_p", "top_p", "min_p", "xtc", "temperature"]
   */
  readonly samplers?: readonly SamplerName[] | undefined;
  /**
   * 0 to 2^32 - 2. Same seed, same output.
   * @default chosen at random and reported in the result; where a call continues an answer, that answer's
   */
  readonly seed?: number | undefined;
  /**
   * Added to the logits of single tokens, before everything else; no value is too large. `-Infinity`
   * forbids a token; `Infinity` forces it: wherever the grammar allows it, it is chosen (of several, one by the others'
   * rules). Values beyond what a 32-bit float holds are infinite.
   */
  readonly logitBias?: ReadonlyMap<number, number> | Readonly<Record<number, number>> | undefined;
  /**
   * A GBNF grammar with a rule `root` that the answer must follow; when it is complete and nothing can follow, the answer
   * ends with the reason `eos`, also with `ignoreEos`. At most 1 MiB, 2000 repetitions of an item, groups 200 deep, no
   * left recursion. ERR_GRAMMAR_INVALID gives the `line` and `column` of what is wrong; a grammar so ambiguous that one
   * token would take seconds is refused with that code, too.
   */
  readonly grammar?: string | undefined;
}
