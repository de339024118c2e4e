/** Finds the name that a mistyped one was meant to be. */

/** Edits that turn one text into another: letters put in, taken out, replaced, or two neighbours swapped. */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let above = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (above[j - 1] ?? 0) + Number(a[i - 1] !== b[j - 1]);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row[j] = Math.min(
        (above[j] ?? 0) + 1,
        (row[j - 1] ?? 0) + 1,
        replaced,
        swapped ? (before[j - 2] ?? 0) + 1 : replaced,
      );
    }
    [before, above] = [above, row];
  }
  return above[b.length] ?? 0;
}

/** The one of `names` that is nearest to `name`, if it is near: up to a third of its letters away, whatever their case. */
export function nearestName(name: string, names: readonly string[]): string | undefined {
  // A long text is not a mistyped name, and the comparison is quadratic.
  if (name.length > 64) return undefined;
  const [nearest] = names
    .map((candidate) => ({ candidate, edits: distance(name.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ candidate, edits }) => edits <= Math.max(1, Math.floor(candidate.length / 3)))
    .sort((a, b) => a.edits - b.edits);
  return nearest?.candidate;
}
