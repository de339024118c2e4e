/**
 * What a screen reader is told of an answer that is being written: whole sentences, several at a time, instead of every token.
 */

/** As long a piece as is said at once, so that it does not stop the reader's own work too often. */
const pieceLength = 160;

/** A block of code, to its end or to that of the text. */
const code = /^ {0,3}(```|~~~)[^\n]*\n[\s\S]*?(?:^ {0,3}\1[^\n]*(?:\n|$(?![\s\S]))|$(?![\s\S]))/gm;

/** The text without Markdown's marks, and without code, which nobody wants spelt out. */
export function spokenText(markdown: string): string {
  return markdown
    .replace(code, "Code block.\n")
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, "$1")
    .replace(/^[ \t|:-]+$/gm, "")
    .replace(/^ {0,3}(?:#{1,6} |> ?|[-*+] |\d{1,9}[.)] )/gm, "")
    .replace(/[*_`~|]+/g, "")
    .replace(/\s+/g, " ")
    .trim();
}

/** Code that has begun and not ended is waited for. */
function withoutOpenCode(text: string): string {
  const fences = [...text.matchAll(/^ {0,3}(?:```|~~~)/gm)];
  return fences.length % 2 === 0 ? text : text.slice(0, fences.at(-1)?.index);
}

/** Where the last sentence, paragraph or block of code of `text` ends that is complete. */
function completeLength(text: string): number {
  const closed = withoutOpenCode(text);
  // What looks like a sentence's end in code is none; the end of the code is.
  const prose = closed.replace(code, (block) => `${"x".repeat(block.length - 2)}\n\n`);
  let end = 0;
  for (const match of prose.matchAll(/[.!?…:]["')\]]*\s|\n\n|[。！？]/g)) end = match.index + match[0].length;
  return end;
}

export class Announcer {
  /** How much of the text has been said. It ends outside of code, so the rest can be read by itself. */
  #said = 0;

  /** The next piece to say of an answer that has grown to `text`, or undefined. */
  grow(text: string): string | undefined {
    const rest = text.slice(this.#said);
    if (rest.length < pieceLength) return undefined;
    const length = completeLength(rest);
    return length < pieceLength ? undefined : this.#say(rest.slice(0, length));
  }

  /** The rest of an answer that is complete. */
  finish(text: string): string | undefined {
    return this.#say(text.slice(this.#said));
  }

  #say(text: string): string | undefined {
    this.#said += text.length;
    const piece = spokenText(text);
    return piece === "" ? undefined : piece;
  }
}
