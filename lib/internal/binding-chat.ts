/** The part of the contract with the native addon that chats use; binding-types.ts has the whole. */

import type { NativeGrammarTrigger } from "./binding-session.js";

/** A chat to be rendered. Texts are "" where there is nothing. */
export interface NativeChatRequest {
  /** JSON in the form of OpenAI's chat completions. */
  readonly messages: string;
  readonly tools: string;
  /** A JSON schema for the answer. */
  readonly schema: string;
  readonly toolChoice: "auto" | "none" | "required";
  readonly parallelToolCalls: boolean;
  readonly thinking: boolean;
  /** The last message is the assistant's, and is written on. */
  readonly continuesAnswer: boolean;
  /** Variables for the template, each value as JSON. */
  readonly variableNames: readonly string[];
  readonly variableValues: readonly string[];
}

/** A reader of one answer; only {@link NativeChatPair.parseAnswer} knows what is in it. */
export interface NativeAnswerParser {
  readonly nativeAnswerParser: never;
}

/** A rendered chat, and how its answer is to be written and read. */
export interface NativeRenderedChat {
  readonly text: string;
  readonly tokens: Int32Array;
  readonly grammar: string;
  readonly grammarLazy: boolean;
  readonly grammarTriggers: readonly NativeGrammarTrigger[];
  readonly preservedTokens: readonly string[];
  readonly stops: readonly string[];
  readonly supportsThinking: boolean;
  readonly thinkingStart: string;
  readonly thinkingEnds: readonly string[];
  /** What the template puts before an answer, the end of `text`. */
  readonly generationPrompt: string;
  readonly parser: NativeAnswerParser;
}

/** What is new in an answer. */
export interface NativeAnswerDelta {
  readonly reasoning: string;
  readonly text: string;
  /** Negative: of no tool call. */
  readonly toolIndex: number;
  /** With a call's first delta. */
  readonly toolName: string;
  readonly toolCallId: string;
  /** A piece of a JSON text. */
  readonly toolInput: string;
}

/** What a pair does for chats, on its thread for texts. */
export interface NativeChatPair {
  /** `template`: a Jinja text, "chatml", or "" for the prefill model's own. */
  renderChat(template: string, request: NativeChatRequest): Promise<NativeRenderedChat>;
  parseAnswer(parser: NativeAnswerParser, more: string, isLast: boolean): Promise<NativeAnswerDelta[]>;
}
