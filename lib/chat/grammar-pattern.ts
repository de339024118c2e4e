/**
 * Regular expressions of JSON schemas as llama.cpp's converter understands them: it wants both anchors, knows neither \d nor
 * \w, takes "any string" for what it cannot say, and lets `.` and [^x] stand for quotes and control characters, which would
 * end a JSON text. What comes out matches nothing that the expression does not match.
 */

/** Code points from, to. */
type Range = readonly [from: number, to: number];

const last = 0x10ffff;

/** What stands in a JSON text by an escape only: the converter cannot say it. */
const unsayable: readonly Range[] = [
  [0, 0x1f],
  [0x22, 0x22],
  [0x5c, 0x5c],
  [0x7f, 0x7f],
];

const digits: readonly Range[] = [[0x30, 0x39]];
const words: readonly Range[] = [...digits, [0x41, 0x5a], [0x5f, 0x5f], [0x61, 0x7a]];
const spaces: readonly Range[] = [[0x20, 0x20]];
const lineEnds: readonly Range[] = [[0x2028, 0x2029]];
const classes: Readonly<Record<string, readonly Range[]>> = { d: digits, w: words, s: spaces };
/** As `spaces`, with those that cannot be said: what \S excludes. */
const notIn: Readonly<Record<string, readonly Range[]>> = { D: digits, W: words, S: [...spaces, ...lineEnds] };

function without(ranges: readonly Range[], taken: readonly Range[]): readonly Range[] {
  let left = ranges;
  for (const [from, to] of taken)
    left = left.flatMap(([a, b]): readonly Range[] => {
      const kept: readonly Range[] = [
        [a, Math.min(b, from - 1)],
        [Math.max(a, to + 1), b],
      ];
      return b < from || a > to ? [[a, b]] : kept.filter(([first, end]) => first <= end);
    });
  return left;
}

function escaped(point: number): string {
  if (/^[A-Za-z0-9]$/.test(String.fromCodePoint(point))) return String.fromCodePoint(point);
  const hex = (count: number) => point.toString(16).toUpperCase().padStart(count, "0");
  return point <= 0xff ? `\\x${hex(2)}` : point <= 0xffff ? `\\u${hex(4)}` : `\\U${hex(8)}`;
}

const inBrackets = (ranges: readonly Range[]) =>
  ranges.map(([from, to]) => (from === to ? escaped(from) : `${escaped(from)}-${escaped(to)}`)).join("");

/** Thrown for an expression that has no such form. */
class Unsupported extends Error {}

class Rewriter {
  readonly #source: readonly string[];
  #at = 0;
  #out = "";

  constructor(source: string) {
    this.#source = [...source];
  }

  rewrite(): string {
    const begins = this.#take("^");
    const any = `${this.#classText([], true)}*`;
    const ends = this.#alternatives(0);
    if (this.#at < this.#source.length) throw new Unsupported();
    return `^${begins ? "" : any}(${this.#out})${ends ? "" : any}$`;
  }

  #take(wanted: string): boolean {
    const found = wanted === this.#source.slice(this.#at, this.#at + wanted.length).join("");
    if (found) this.#at += wanted.length;
    return found;
  }

  /** Up to the end or a closing parenthesis. Whether it ended with `$`. */
  #alternatives(depth: number): boolean {
    if (depth > 50) throw new Unsupported();
    let begin = this.#out.length;
    const assertSomething = () => {
      if (this.#out.length === begin) throw new Unsupported();
    };
    let isLast = false;
    while (!isLast && this.#at < this.#source.length && this.#source[this.#at] !== ")") {
      if (this.#take("$")) {
        if (depth > 0 || this.#at < this.#source.length) throw new Unsupported();
        isLast = true;
      } else if (this.#take("|")) {
        assertSomething();
        this.#out += "|";
        begin = this.#out.length;
      } else this.#repeated(depth);
    }
    assertSomething();
    return isLast;
  }

  #repeated(depth: number): void {
    this.#one(depth);
    for (const sign of ["*", "+", "?"])
      if (this.#take(sign)) {
        this.#out += sign;
        this.#take("?");
        return;
      }
    const counts = /^\{(\d{1,4})(?:(,)(\d{0,4}))?\}/.exec(this.#source.slice(this.#at, this.#at + 12).join(""));
    if (!counts) return;
    const [text, from, , to] = counts;
    if (Number(from) > 2000 || Number(to || from) > 2000) throw new Unsupported();
    this.#at += text.length;
    this.#out += text;
    this.#take("?");
  }

  #one(depth: number): void {
    const character = this.#source[this.#at++] ?? "";
    if (character === "(") this.#group(depth);
    else if (character === "[") this.#out += this.#brackets();
    else if (character === ".") this.#out += this.#classText(lineEnds, true);
    else if (character === "\\") this.#escape();
    else if ("^*+?{}]".includes(character)) throw new Unsupported();
    else this.#out += this.#literal(character.codePointAt(0) ?? 0);
  }

  #group(depth: number): void {
    if (this.#take("?:")) this.#out += "(";
    else if (this.#take("?<") && this.#source[this.#at] !== "=" && this.#source[this.#at] !== "!") {
      while (this.#at < this.#source.length && !this.#take(">")) this.#at++;
      this.#out += "(";
    } else if (this.#source[this.#at] === "?" || this.#source[this.#at - 1] === "<") throw new Unsupported();
    else this.#out += "(";
    this.#alternatives(depth + 1);
    if (!this.#take(")")) throw new Unsupported();
    this.#out += ")";
  }

  #escape(): void {
    const name = this.#source[this.#at] ?? "";
    const [set, negated] = classes[name] ? [classes[name], false] : [notIn[name], true];
    if (set) {
      this.#at++;
      this.#out += this.#classText(set, negated);
    } else this.#out += this.#literal(this.#escapedPoint());
  }

  /** Behind a backslash. */
  #escapedPoint(): number {
    const name = this.#source[this.#at++] ?? "";
    const digitsOf = { x: 2, u: 4 }[name];
    if (digitsOf !== undefined) {
      const hex = this.#source.slice(this.#at, this.#at + digitsOf).join("");
      if (hex.length !== digitsOf || !/^[0-9A-Fa-f]+$/.test(hex)) throw new Unsupported();
      this.#at += digitsOf;
      return Number.parseInt(hex, 16);
    }
    if (!/^[^A-Za-z0-9]$/u.test(name)) throw new Unsupported();
    return name.codePointAt(0) ?? 0;
  }

  #brackets(): string {
    const negated = this.#take("^");
    const ranges: Range[] = [];
    while (!this.#take("]")) {
      const set = this.#source[this.#at] === "\\" ? classes[this.#source[this.#at + 1] ?? ""] : undefined;
      if (set) {
        this.#at += 2;
        ranges.push(...set, ...(negated && set === spaces ? lineEnds : []));
        continue;
      }
      const from = this.#inBrackets();
      const isRange = this.#source[this.#at] === "-" && this.#source[this.#at + 1] !== "]";
      if (isRange) this.#at++;
      const to = isRange ? this.#inBrackets() : from;
      if (to < from) throw new Unsupported();
      ranges.push([from, to]);
    }
    return this.#classText(ranges, negated);
  }

  #inBrackets(): number {
    const character = this.#source[this.#at++];
    if (character === undefined) throw new Unsupported();
    return character === "\\" ? this.#escapedPoint() : (character.codePointAt(0) ?? 0);
  }

  #classText(ranges: readonly Range[], negated: boolean): string {
    if (negated) return `[^${inBrackets([...unsayable, ...without(ranges, unsayable)])}]`;
    const sayable = without(ranges, unsayable).filter(([from]) => from <= last);
    if (sayable.length === 0) throw new Unsupported();
    return `[${inBrackets(sayable)}]`;
  }

  #literal(point: number): string {
    const character = String.fromCodePoint(point);
    return /^[A-Za-z0-9 _]$/.test(character) ? character : this.#classText([[point, point]], false);
  }
}

/** Undefined for an expression that cannot be said: look-around, references, and characters that JSON escapes. */
export function grammarPattern(pattern: string): string | undefined {
  try {
    new RegExp(pattern);
    return new Rewriter(pattern).rewrite();
  } catch (error) {
    if (error instanceof Unsupported || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
