/** A record of training or evaluation data, and its tokens. */

import { check, refusedArgument } from "../internal/check-options.js";
import { type InputOf, onFirstUse, type SchemasOf } from "../internal/option-schemas.js";
import * as z from "../internal/schema.js";

/** One message of a chat. */
export interface ChatMessage {
  /** As the model's chat template knows it: `system`, `user`, `assistant`. */
  readonly role: string;
  readonly content: string | readonly { readonly type: "text"; readonly text: string }[];
}

/** A chat that ends with the assistant's message, which is the response. */
export interface ChatRecord {
  readonly messages: readonly ChatMessage[];
}

/** A prompt and its response, as they stand. */
export interface PromptRecord {
  readonly prompt: string;
  readonly response: string;
}

/** Plain text, all of it a response. */
export interface TextRecord {
  readonly text: string;
}

/** One line of a data file. */
export type DataRecord = ChatRecord | PromptRecord | TextRecord;

/** Options of {@link Pair.encode}. */
export interface EncodeOptions {
  /** Whether the response ends with the end-of-turn or end-of-text token; plain text never does. @default true */
  readonly closeResponse?: boolean | undefined;
}

/** Answer of {@link Pair.encode}: what is read, and what is to be written after it. */
export interface EncodedRecord {
  readonly prompt: readonly number[];
  readonly response: readonly number[];
}

const optionsSchema = onFirstUse(() =>
  z.strictObject({
    closeResponse: z.withDefault(z.boolean(), true),
  } satisfies SchemasOf<EncodeOptions>),
);

export const checkEncodeOptions = (value: EncodeOptions): { readonly closeResponse: boolean } =>
  check(optionsSchema(), value satisfies InputOf<typeof optionsSchema>, "options");

/** The record as JSON. What is in it is looked at by the code that reads data files. */
export function checkRecord(value: unknown): string {
  if (typeof value !== "object" || value === null) throw refusedArgument("record", "expected an object", String(value));
  let json: string | undefined;
  try {
    json = JSON.stringify(value);
  } catch (error) {
    throw refusedArgument("record", "expected an object that JSON can hold", String(error));
  }
  if (typeof json !== "string") throw refusedArgument("record", "expected an object that JSON can hold", "none");
  return json;
}
