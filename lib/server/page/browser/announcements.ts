/**
 * What a screen reader is told of an answer that is being written: whole sentences, several at a time, instead of every token.
 */

/** As long a piece as is said at once, so that it does not stop the reader's own work too often. */
const pieceLength = 160;

/** The text without Markdown's marks, and without code, which nobody wants spelt out. */
export function spokenText(markdown: string): string {
  return markdown
    .replace(/^ {0,3}(```|~~~)[^\n]*\n[\s\S]*?(?:^ {0,3}\1[^\n]*$|$(?![\s\S]))/gm, "Code block.")
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, "$1")
    .replace(/^ {0,3}(?:#{1,6} |> ?|[-*+] |\d{1,9}[.)] )/gm, "")
    .replace(/[*_`~|]+/g, "")
    .replace(/\s+/g, " ")
    .trim();
}

/** Where the last sentence or paragraph of `text` ends that is complete. */
function completeLength(text: string): number {
  let end = 0;
  for (const match of text.matchAll(/[.!?…:]["')\]]*\s|\n\n|[。！？]/g)) end = match.index + match[0].length;
  return end;
}

/** Code that has begun and not ended is waited for. */
function withoutOpenCode(text: string): string {
  const fences = [...text.matchAll(/^ {0,3}(?:```|~~~)/gm)];
  return fences.length % 2 === 0 ? text : text.slice(0, fences.at(-1)?.index);
}

export class Announcer {
  #said = 0;

  /** The next piece to say of an answer that has grown to `text`, or undefined. */
  grow(text: string): string | undefined {
    const end = completeLength(withoutOpenCode(text));
    return end - this.#said < pieceLength ? undefined : this.#say(text, end);
  }

  /** The rest of an answer that is complete. */
  finish(text: string): string | undefined {
    return this.#say(text, text.length);
  }

  #say(text: string, end: number): string | undefined {
    const piece = spokenText(text.slice(this.#said, end));
    this.#said = Math.max(this.#said, end);
    return piece === "" ? undefined : piece;
  }
}
