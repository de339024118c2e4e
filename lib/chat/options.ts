/** What callers may ask of a chat, with ranges and defaults. */

import type { DecodeOptions } from "../engine/options.js";
import type { CacheKeyOption } from "../engine/prefix-options.js";
import type { AnySchema } from "./json-schema.js";
import type { ModelMessage } from "./messages.js";
import type { Tools } from "./tools.js";

/**
 * `auto`: the model decides; `none`: no tool; `required`: at least one; a name: that one. With a name the model is shown no
 * other tool. What has to be called is called first; with the results the model may answer.
 */
export type ToolChoice = "auto" | "none" | "required" | { readonly tool: string };

/** How long a model that can reason may do so. */
export type ReasoningOption = boolean | { readonly budgetTokens: number };

/**
 * What is done when the chat does not fit into the context: an error (ERR_CONTEXT_OVERFLOW), the oldest turns dropped until
 * it fits, or a function of your own that gives the messages to go on with. A turn is a message of the user with all that
 * follows up to the next; the system's message and the last turn are never dropped.
 */
export type OverflowOption =
  | "error"
  | "drop-oldest"
  | ((messages: readonly ModelMessage[]) => readonly ModelMessage[] | Promise<readonly ModelMessage[]>);

/** What a chat begins with, and what its answers have in common; `send` can say otherwise for one answer. */
export interface ChatOptions extends ChatDefaults, CacheKeyOption {
  /** Who writes the answers: the name of one of the pair's decode models, or `"prefill"`. @default the pair's first */
  readonly writer?: string | undefined;
  /** The system's message. */
  readonly system?: string | undefined;
  /** What was said before. Without the system's message if `system` is given. @default [] */
  readonly history?: readonly ModelMessage[] | undefined;
  /**
   * A chat template in Jinja, or `"chatml"`.
   * @default the prefill model's own
   */
  readonly template?: string | undefined;
  /** Variables for the template, such as `{ reasoning_effort: "low" }`: values that JSON can say. */
  readonly templateVariables?: Readonly<Record<string, unknown>> | undefined;
}

/** What a chat and a single answer have in common. */
export interface ChatDefaults {
  readonly tools?: Tools | undefined;
  /** @default "auto" */
  readonly toolChoice?: ToolChoice | undefined;
  /** Whether the model may make several calls at once. @default true */
  readonly parallelToolCalls?: boolean | undefined;
  /** How often the model may go on with the results of its calls: runs of the model in one answer, 1 to 1000. @default 8 */
  readonly maxSteps?: number | undefined;
  /**
   * `false` switches reasoning off where the template knows how; `{ budgetTokens }` ends it after so many tokens, 0 or more.
   * @default true
   */
  readonly reasoning?: ReasoningOption | undefined;
  /** @default "error" */
  readonly overflow?: OverflowOption | undefined;
}

/** Options of {@link Chat.send}. `grammar` holds the text of the answer, and does not go together with tools. */
export interface SendOptions<Output = unknown> extends ChatDefaults, Omit<DecodeOptions, "special" | "ignoreEos"> {
  /**
   * What the answer has to be: its text is then JSON that keeps to the schema, and `object` what it says. No tool is called
   * for such an answer.
   */
  readonly schema?: AnySchema<Output> | undefined;
}
