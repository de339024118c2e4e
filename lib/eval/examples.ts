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

/** The tokens that the vocabulary puts around every text. */
interface TextEnds {
  /** BOS, or none. */
  readonly beginning: readonly number[];
  readonly closingLength: number;
}

/** Makes examples of records. Every method rejects with {@link UnusableRecord} for a record that makes none. */
export class ExampleEncoder {
  readonly #pair: Pick<Pair, "encodeAsync" | "tokenizeAsync">;
  readonly #options: EncoderOptions;
  #around: Promise<TextEnds> | undefined;

  constructor(pair: Pick<Pair, "encodeAsync" | "tokenizeAsync">, options: EncoderOptions) {
    this.#pair = pair;
    this.#options = options;
  }

  /** Several for a text of more than one window. */
  async toResponses(line: number, record: TaskRecord): Promise<ResponseExample[]> {
    if (record.kind === "text") return (await this.#windows(record)).map((window) => ({ line, ...window }));
    const { prompt, response } = await this.#encode(toGiven(record));
    this.#refuseLong(prompt.length + response.length);
    return [{ line, prompt, response }];
  }

  async toAnswer(line: number, record: TaskRecord): Promise<AnswerExample> {
    const [prompt, references] = await this.#questionOf(record);
    if (prompt.length === 0) throw new UnusableRecord("the prompt has no tokens");
    // The first token of the answer needs no place of its own; a second one does.
    this.#refuseLong(prompt.length + 1);
    return { line, prompt, references };
  }

  async toChoices(line: number, { context, continuations, lengths, right }: ChoicesRecord): Promise<ChoiceExample> {
    // A space at the context's end goes with what follows: vocabularies put it there.
    const prompt = context.trimEnd();
    const before = await this.#textTokens(prompt);
    const wholes: number[][] = [];
    for (const text of continuations)
      wholes.push(await this.#textTokens(`${prompt}${context.slice(prompt.length)}${text}`));
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

  async #questionOf(record: TaskRecord): Promise<readonly [prompt: readonly number[], references: readonly string[]]> {
    switch (record.kind) {
      case "answer":
        return [await this.#textTokens(record.prompt), record.references];
      case "response":
        return [await this.#textTokens(record.prompt), [record.response]];
      case "chat":
        return [(await this.#encode(record)).prompt, [record.messages.at(-1)?.content ?? ""]];
      default:
        throw new UnusableRecord(`there is no answer in a line with ${record.kind}`);
    }
  }

  async #windows({ text }: TextRecord) {
    // Without control tokens, as llama.cpp's tool reads its file.
    const tokens = await this.#textTokens(text, false);
    if (tokens.length < leastWindow) throw new UnusableRecord(`the text has fewer than ${leastWindow} tokens`);
    const [bos] = (await this.#ends()).beginning;
    return [...cutWindows(tokens, bos, this.#options.windowSize)];
  }

  /** A text of its own, but open at its end. */
  async #textTokens(text: string, parseSpecial = true): Promise<number[]> {
    const { beginning, closingLength } = await this.#ends();
    if (text === "") return [...beginning];
    const tokens = await ofLine(this.#pair.tokenizeAsync(text, { addSpecial: true, parseSpecial }));
    return tokens.slice(0, tokens.length - closingLength);
  }

  #ends(): Promise<TextEnds> {
    this.#around ??= this.#findEnds();
    return this.#around;
  }

  async #findEnds(): Promise<TextEnds> {
    // Of a plain text, what the vocabulary puts before it is all of the prompt.
    const { prompt: beginning } = await this.#pair.encodeAsync({ text: "a text of some words" });
    const around = await this.#pair.tokenizeAsync("", { addSpecial: true });
    return { beginning, closingLength: around.length - beginning.length };
  }

  async #encode(given: { prompt: string; response: string } | { messages: ChatRecord["messages"] }) {
    const encoded = await ofLine(this.#pair.encodeAsync(given));
    if (encoded.prompt.length === 0) throw new UnusableRecord("there is no token before the response");
    return encoded;
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

/** What the vocabulary or the template refuses is the line's fault. */
async function ofLine<T>(tokens: Promise<T>): Promise<T> {
  try {
    return await tokens;
  } catch (error) {
    const isOfLine = OverfillError.isInstance(error) && error.code === "ERR_DATA_INVALID";
    if (isOfLine || InvalidArgumentError.isInstance(error)) throw new UnusableRecord(error.message, { cause: error });
    throw error;
  }
}

/** How many tokens two texts begin with alike. */
function commonLength(a: readonly number[], b: readonly number[]): number {
  const end = a.findIndex((token, i) => token !== b[i]);
  return end < 0 ? a.length : end;
}
