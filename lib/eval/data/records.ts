/** What a line of data can say, whatever the names of its fields. */

/** A message of a chat. */
export interface Message {
  readonly role: string;
  readonly content: string;
}

/** A chat that ends with the assistant's message. */
export interface ChatRecord {
  readonly kind: "chat";
  readonly messages: readonly Message[];
}

/** A prompt with the response to it, one after the other as they stand. */
export interface ResponseRecord {
  readonly kind: "response";
  readonly prompt: string;
  readonly response: string;
}

/** Plain text. */
export interface TextRecord {
  readonly kind: "text";
  readonly text: string;
}

/** A prompt with the answers to it that are right. */
export interface AnswerRecord {
  readonly kind: "answer";
  readonly prompt: string;
  readonly references: readonly string[];
}

/** A context with several ways to go on. */
export interface ChoicesRecord {
  readonly kind: "choices";
  readonly context: string;
  /** Each as it follows the context, a space before it. */
  readonly continuations: readonly string[];
  /** Characters (Unicode code points) of each choice's own text. */
  readonly lengths: readonly number[];
  /** The choices that are right, by index. */
  readonly right: readonly number[];
}

export type TaskRecord = ChatRecord | ResponseRecord | TextRecord | AnswerRecord | ChoicesRecord;

/** A record, or why there is none. */
export type ParsedRecord = { readonly record: TaskRecord } | { readonly problem: string };
