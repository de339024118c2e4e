/** A question for cells, and the answer to it as its frames come. */

import { cellsVersion, type Frame, FrameFault, jsonOf, textDigest } from "./cell-frames.js";

/** A question for cells. */
export interface CellsQuestion {
  readonly tokens: Int32Array;
  readonly from: number;
  /** As of a prefill here. */
  readonly deterministic: boolean;
  readonly cacheFacts: string;
  readonly bytesPerToken: number;
  readonly vocabularySize: number;
}

/** Takes the next tokens' cells, the last of them with the logits of the token after the text. */
export type GiveCells = (nTokens: number, rows: Uint8Array, hash: string, logits: Float32Array | undefined) => void;

/** Follows an answer, and gives on what is what was asked for. */
export class CellsAnswer {
  readonly #question: CellsQuestion;
  readonly #nonce: string;
  readonly #give: GiveCells;
  #begun = false;
  #ended = false;
  /** The next token that cells are missing of. */
  #at: number;
  /** Not given before all is there, since they complete the text. */
  #last: Frame | undefined;
  #logits: Float32Array | undefined;

  constructor(question: CellsQuestion, nonce: string, give: GiveCells) {
    this.#question = question;
    this.#nonce = nonce;
    this.#give = give;
    this.#at = question.from;
  }

  take(one: Frame): void {
    if (this.#ended) throw new FrameFault("something behind the end");
    if (one.kind === "alive") return;
    if ((one.kind === "begin") === this.#begun) throw new FrameFault("frames in another order than they have");
    if (one.kind === "begin") this.#begin(one.content);
    else if (one.kind === "cells") this.#takeCells(one);
    else if (one.kind === "logits") this.#takeLogits(one.content);
    else this.#complete();
  }

  /** The connection has ended. */
  end(): void {
    if (!this.#ended) throw Object.assign(new Error("the answer is not whole"), { code: "ECONNRESET" });
  }

  #begin(content: Buffer): void {
    const told = jsonOf(content);
    const { tokens, from, bytesPerToken } = this.#question;
    const expected = { version: cellsVersion, nonce: this.#nonce, text: textDigest(tokens), from, bytesPerToken };
    for (const [name, value] of Object.entries(expected))
      if (told[name] !== value) throw new FrameFault(`an answer to another question (${name})`);
    this.#begun = true;
  }

  #takeCells(one: Frame): void {
    const { tokens, bytesPerToken } = this.#question;
    const end = this.#at + one.nTokens;
    if (one.nTokens === 0 || end > tokens.length || one.content.length !== one.nTokens * bytesPerToken)
      throw new FrameFault("cells of other tokens than were asked for");
    this.#at = end;
    if (end === tokens.length) this.#last = one;
    else this.#give(one.nTokens, one.content, one.hash, undefined);
  }

  #takeLogits(content: Buffer): void {
    if (this.#logits || content.length !== 4 * this.#question.vocabularySize)
      throw new FrameFault("other logits than were asked for");
    this.#logits = new Float32Array(Uint8Array.from(content).buffer);
  }

  #complete(): void {
    if (!this.#last || !this.#logits) throw new FrameFault("it ends before all is there");
    this.#ended = true;
    this.#give(this.#last.nTokens, this.#last.content, this.#last.hash, this.#logits);
  }
}
