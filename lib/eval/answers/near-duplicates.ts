/**
 * Whether answers to one prompt are nearly the same: by the share of common pieces of five characters (Jaccard), which
 * needs no words and so fits every script. Case and white space make no difference.
 */

const pieceLength = 5;

type Pieces = ReadonlySet<string>;

function piecesOf(text: string): Pieces {
  const characters = [...text.toLowerCase().trim().replace(/\s+/g, " ")];
  const pieces = new Set<string>();
  for (let start = 0; start === 0 || start + pieceLength <= characters.length; start++)
    pieces.add(characters.slice(start, start + pieceLength).join(""));
  return pieces;
}

function likeness(a: Pieces, b: Pieces): number {
  let common = 0;
  for (const piece of a) if (b.has(piece)) common++;
  return common / (a.size + b.size - common);
}

/** The answers to one prompt that were kept so far. */
export class KeptAnswers {
  readonly #kept: Pieces[] = [];

  /** @param similarity the share of common pieces from which on two are nearly the same */
  constructor(readonly similarity: number) {}

  /** Whether the answer is none of those before it, nearly; it is then one of them. */
  addIfNew(text: string): boolean {
    const pieces = piecesOf(text);
    if (this.#kept.some((other) => likeness(pieces, other) >= this.similarity)) return false;
    this.#kept.push(pieces);
    return true;
  }
}
