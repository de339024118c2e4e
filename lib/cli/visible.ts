/**
 * Text that others wrote, made harmless for a terminal: names and metadata of model files, paths, messages. A control
 * character in it could clear the screen, set the title or forge a line; it is shown as its escape instead.
 */

/** C0, DEL and C1, line separators, and the marks that turn the direction of writing. */
const controls = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;
const short: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

const escapeOf = (control: string): string =>
  short[control] ?? `\\u${(control.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`;

/** One line: every control character as its escape. */
export function visibleText(text: string): string {
  return text.replace(controls, escapeOf);
}

/** Text of several lines: line breaks and tabs stay. */
export function visibleLines(text: string): string {
  return text.replace(controls, (control) => (control === "\n" || control === "\t" ? control : escapeOf(control)));
}

/** A result with every string in it as {@link visibleText}, however deep; other values stay as they are. */
export function visible<Value>(value: Value): Value {
  if (typeof value === "string") return visibleText(value) as Value;
  if (Array.isArray(value)) return value.map(visible) as Value;
  if (value === null || typeof value !== "object" || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, visible(inner)])) as Value;
}

/** JSON whose strings hold no control character as it is; what it says is the same. */
export function toJson(value: unknown, indent?: number): string {
  // JSON.stringify escapes C0 itself, and its own line breaks must stay.
  return JSON.stringify(value, undefined, indent).replace(controls, (control) =>
    control === "\n" ? control : `\\u${(control.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`,
  );
}
