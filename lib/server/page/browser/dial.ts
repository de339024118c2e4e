/** The pairs of the server, and how exact an answer has to be. */

/** `fast` the decode model writes, `acceptance` what the prefill model finds likely enough stays, `exact` its own answer. */
export type Dial = "fast" | "acceptance" | "exact";

export const dials: readonly Dial[] = ["fast", "acceptance", "exact"];

export const isDial = (value: unknown): value is Dial => dials.includes(value as Dial);

export interface PairEntry {
  readonly name: string;
}

const dialSuffix = /:(?:fast|exact|[01](?:\.\d+)?)$/;

/** The names in the answer of `/v1/models`, without those that are another one with a dial. */
export function readPairs(answer: unknown): readonly PairEntry[] {
  const data = (answer as { readonly data?: unknown } | null)?.data;
  const names = (Array.isArray(data) ? data : []).flatMap((entry: { readonly id?: unknown } | null) =>
    typeof entry?.id === "string" ? [entry.id] : [],
  );
  const known = new Set(names);
  return [...known]
    .filter((name) => !(dialSuffix.test(name) && known.has(name.replace(dialSuffix, ""))))
    .map((name) => ({ name }));
}

/** What of a request says which pair writes, and how. */
export function modelChoice(name: string, dial: Dial, acceptance: number): Readonly<Record<string, unknown>> {
  return { model: `${name}:${dial === "acceptance" ? acceptance : dial}` };
}

/** The choice in few words, for people. */
export const choiceLabel = (name: string, dial: Dial, acceptance: number): string =>
  `${name}, ${dial === "acceptance" ? `acceptance ${acceptance}` : dial}`;
