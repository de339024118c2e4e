/** The files that are made of the corpus: the tokenizer, what is learned from and measured on, and the places that are gone on from. */

import { loadPair, type Pair } from "../../../lib/index.js";
import { text as ggufText } from "../../../test/support/gguf-format.js";
import { encodeGguf } from "../../../test/support/gguf-writer.js";
import { mulberry32, namedSeed, type Random } from "../../../test/support/random.js";
import { anyWords, learnTokenizer } from "../tokenizer.js";
import type { Corpus, Document } from "./corpus.js";

/** Another sequence of random numbers for each file. */
const randomOf = (file: string) => mulberry32(namedSeed(1, `language: ${file}`));

/** Byte pairs of the texts that are learned from. */
export function tokenizerFile({ training }: Corpus, size: number): Uint8Array {
  const { metadata } = learnTokenizer(plainText(training), size, 0, anyWords);
  return encodeGguf({ metadata: [["general.architecture", ggufText("llama")], ...metadata], tensors: [] }).bytes;
}

export const plainText = (documents: readonly Document[]): string =>
  documents.map(({ text }) => `${text}\n\n`).join("");

/** The corpus as tokens, in the vocabulary of a model. */
export class TokenizedCorpus implements AsyncDisposable {
  private constructor(
    readonly pair: Pair,
    readonly documents: readonly (readonly number[])[],
    /** BOS. */
    readonly beginning: readonly number[],
  ) {}

  static async open(model: string, documents: readonly Document[], signal?: AbortSignal): Promise<TokenizedCorpus> {
    const pair = await loadPair({ prefill: { model }, contextSize: 256, threads: 1, gpu: false, signal });
    try {
      const tokens: number[][] = [];
      for (const { text } of documents) tokens.push(await pair.tokenizeAsync(text));
      return new TokenizedCorpus(pair, tokens, pair.tokenize("", { addSpecial: true }));
    } catch (error) {
      await pair.dispose();
      throw error;
    }
  }

  /**
   * A place where a word begins, with at least so many tokens before it and behind it in its document: every such place of
   * the corpus is as likely. Undefined if there is none.
   */
  draw(random: Random, before: number, behind: number): { readonly document: number; readonly at: number } | undefined {
    const counts = this.documents.map(({ length }) => Math.max(0, length - before - behind + 1));
    const total = counts.reduce((sum, count) => sum + count, 0);
    if (total === 0) return undefined;
    let place = Math.floor(random() * total);
    let document = 0;
    while (place >= (counts[document] ?? 0)) place -= counts[document++] ?? 0;
    return { document, at: this.#wordAt(document, before + place, behind) };
  }

  /** The next beginning of a word from there on, as far as there is room behind it. */
  #wordAt(document: number, at: number, behind: number): number {
    const tokens = this.documents[document] ?? [];
    for (let next = at; next + behind <= tokens.length; next++)
      if (/^\s/.test(this.pair.detokenize([tokens[next] ?? 0]))) return next;
    return at;
  }

  text(document: number, from: number, to: number): string {
    return this.pair.detokenize(this.documents[document]?.slice(from, to) ?? []);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.pair.dispose();
  }
}

/** Prompts and how their texts go on, of lengths that are drawn: short ones as often as long ones. */
export function* healLines(
  corpus: TokenizedCorpus,
  count: number,
  prompt: readonly [number, number],
  response: readonly [number, number],
): Generator<string> {
  const random = randomOf("healing");
  const between = ([least, most]: readonly [number, number]) => Math.round(least * (most / least) ** random());
  for (let i = 0; i < count; i++) {
    const [before, behind] = [between(prompt), between(response)];
    const place = corpus.draw(random, before, behind);
    if (!place) throw new RangeError(`no text has ${before + behind} tokens`);
    const { document, at } = place;
    yield `${JSON.stringify({
      prompt: corpus.text(document, at - before, at),
      response: corpus.text(document, at, at + behind),
    })}\n`;
  }
}

/** A place in a held-out text. */
export interface Place {
  readonly title: string;
  /** What is before it, the longest prompt less BOS: a shorter prompt is the end of it. */
  readonly before: readonly number[];
  /** How the text goes on. */
  readonly behind: readonly number[];
}

export interface Places {
  readonly beginning: readonly number[];
  readonly places: readonly Place[];
}

/** Places that are gone on from: the same ones behind every length of prompt. */
export function drawPlaces(
  corpus: TokenizedCorpus,
  documents: readonly Document[],
  count: number,
  before: number,
  behind: number,
): Places {
  const random = randomOf("places");
  const places = Array.from({ length: count }, (): Place => {
    const place = corpus.draw(random, before, behind);
    if (!place) throw new RangeError(`no held-out text has ${before + behind} tokens`);
    const { document, at } = place;
    const tokens = corpus.documents[document] ?? [];
    return {
      title: documents[document]?.title ?? "",
      before: tokens.slice(at - before, at),
      behind: tokens.slice(at, at + behind),
    };
  });
  return { beginning: corpus.beginning, places };
}

/** The prompt of so many tokens at a place, BOS included. */
export const promptOf = ({ beginning }: Places, { before }: Place, length: number): readonly number[] => [
  ...beginning,
  ...before.slice(before.length - (length - beginning.length)),
];

/** Pieces of the training texts of a page each, drawn, to measure importance on. */
export function calibrationText(corpus: TokenizedCorpus, tokens: number): string {
  const random = randomOf("calibration");
  const page = 256;
  const pieces = Array.from({ length: Math.ceil(tokens / page) }, () => {
    const place = corpus.draw(random, 0, page);
    if (!place) throw new RangeError(`no text has ${page} tokens`);
    return corpus.text(place.document, place.at, place.at + page);
  });
  return pieces.join("");
}
