/**
 * Records as tokens of the pair's vocabulary: what is read, and what is scored or generated behind it. Chats, prompts and
 * responses become the tokens that training makes of them.
 */

import type { Pair } from "../engine/index.js";
import { InvalidArgumentError, OverfillError } from "../errors/index.js";
import type {
  AnswerRecord,
  ChatRecord,
  ChoicesRecord,
  ResponseRecord,
  TaskRecord,
  TextRecord,
} from "./data/records.js";
import { cutWindows, leastWindow } from "./windows.js";

/** A response to predict. */
export interface ResponseExample {
  readonly line: number;
  readonly prompt: readonly number[];
  readonly response: readonly number[];
}

/** Ways to go on, of which one is to be the likeliest. */
export interface ChoiceExample {
  readonly line: number;
  readonly prompt: readonly number[];
  readonly continuations: readonly (readonly number[])[];
  readonly lengths: readonly number[];
  readonly right: readonly number[];
}

/** A prompt to answer. */
export interface AnswerExample {
  readonly line: number;
  readonly prompt: readonly number[];
  readonly references: readonly string[];
}

/** Why a record makes no example; told with its line, not thrown to the caller. */
export class UnusableRecord extends Error {
  override readonly name = "UnusableRecord";
}

export interface EncoderOptions {
  /** Tokens that prompt and response may have together. */
  readonly contextSize: number;
  /** Tokens of a window of plain text. */
  readonly windowSize: number;
}

/** Makes examples of records. Every method throws {@link UnusableRecord} for a record that makes none. */
export class ExampleEncoder {
  readonly #pair: Pick<Pair, "encode" | "tokenize">;
  readonly #options: EncoderOptions;
  #bos: number | undefined;
  #bosIsKnown = false;

  constructor(pair: Pick<Pair, "encode" | "tokenize">, options: EncoderOptions) {
    this.#pair = pair;
    this.#options = options;
  }

  /** Several for a text of more than one window. */
  *toResponses(line: number, record: TaskRecord): Generator<ResponseExample> {
    if (record.kind === "text") {
      for (const window of this.#windows(record)) yield { line, ...window };
      return;
    }
    const { prompt, response } = this.#encode(toGiven(record));
    this.#refuseLong(prompt.length + response.length);
    yield { line, prompt, response };
  }

  toAnswer(line: number, record: TaskRecord): AnswerExample {
    const [prompt, references] = this.#questionOf(record);
    if (prompt.length === 0) throw new UnusableRecord("the prompt has no token");
    // The first token of the answer needs no place of its own; a second one does.
    this.#refuseLong(prompt.length + 1);
    return { line, prompt, references };
  }

  toChoices(line: number, { context, continuations, lengths, right }: ChoicesRecord): ChoiceExample {
    // A space at the context's end goes with what follows: vocabularies put it there.
    const prompt = context.trimEnd();
    const before = this.#textTokens(prompt);
    const wholes = continuations.map((text) => this.#textTokens(`${prompt}${context.slice(prompt.length)}${text}`));
    // Where a token spans the border, it counts for every choice.
    const border = Math.min(...wholes.map((whole) => commonLength(before, whole)));
    if (border === 0) throw new UnusableRecord("there is no token before the choices");
    for (const whole of wholes) {
      this.#refuseLong(whole.length);
      if (whole.length === border) throw new UnusableRecord("a choice has no token of its own");
    }
    return {
      line,
      prompt: wholes[0]?.slice(0, border) ?? [],
      continuations: wholes.map((whole) => whole.slice(border)),
      lengths,
      right,
    };
  }

  #questionOf(record: TaskRecord): readonly [prompt: readonly number[], references: readonly string[]] {
    switch (record.kind) {
      case "answer":
        return [this.#textTokens(record.prompt), record.references];
      case "response":
        return [this.#textTokens(record.prompt), [record.response]];
      case "chat":
        return [this.#encode(record).prompt, [record.messages.at(-1)?.content ?? ""]];
      default:
        throw new UnusableRecord(`there is no answer in a line with ${record.kind}`);
    }
  }

  *#windows({ text }: TextRecord): Generator<{ prompt: readonly number[]; response: readonly number[] }> {
    // Without control tokens, as llama.cpp's tool reads its file.
    const tokens = [...this.#beginning(), ...this.#pair.tokenize(text)];
    if (tokens.length < leastWindow) throw new UnusableRecord(`the text has fewer than ${leastWindow} tokens`);
    yield* cutWindows(tokens, this.#beginning()[0], this.#options.windowSize);
  }

  #textTokens(text: string): number[] {
    return [...this.#beginning(), ...(text === "" ? [] : this.#pair.tokenize(text, { parseSpecial: true }))];
  }

  /** The tokens before every text: BOS, or none. */
  #beginning(): readonly number[] {
    // Of a plain text that is all of the prompt.
    if (!this.#bosIsKnown) this.#bos = this.#pair.encode({ text: "a text of some words" }).prompt[0];
    this.#bosIsKnown = true;
    return this.#bos === undefined ? [] : [this.#bos];
  }

  #encode(given: { prompt: string; response: string } | { messages: ChatRecord["messages"] }) {
    try {
      const encoded = this.#pair.encode(given);
      if (encoded.prompt.length > 0) return encoded;
    } catch (error) {
      const isOfLine = OverfillError.isInstance(error) && error.code === "ERR_DATA_INVALID";
      if (isOfLine || InvalidArgumentError.isInstance(error)) throw new UnusableRecord(error.message, { cause: error });
      throw error;
    }
    throw new UnusableRecord("there is no token before the response");
  }

  #refuseLong(tokens: number): void {
    const { contextSize } = this.#options;
    if (tokens > contextSize) throw new UnusableRecord(`${tokens} tokens, more than the ${contextSize} of the context`);
  }
}

function toGiven(record: ChatRecord | ResponseRecord | AnswerRecord | ChoicesRecord) {
  switch (record.kind) {
    case "chat":
      return { messages: record.messages };
    case "response":
      return { prompt: record.prompt, response: record.response };
    case "answer":
      return { prompt: record.prompt, response: record.references[0] ?? "" };
    default:
      throw new UnusableRecord(`there is no response in a line with ${record.kind}`);
  }
}

/** How many tokens two texts begin with alike. */
function commonLength(a: readonly number[], b: readonly number[]): number {
  const end = a.findIndex((token, i) => token !== b[i]);
  return end < 0 ? a.length : end;
}
