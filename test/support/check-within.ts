/** Properties of what runs beside each other, with a limit of time. */

import fc from "fast-check";

export interface Within extends fc.Parameters<unknown> {
  readonly numRuns: number;
  readonly limitMs: number;
}

/**
 * Checks a property on as many draws as there is time for; `numRuns` of the result are those that were made. fast-check's
 * own limit leaves the run that it interrupts behind, going on with what the test then takes away, its failure unseen.
 */
export async function checkWithin<Values>(
  property: fc.IAsyncProperty<Values>,
  { limitMs, ...parameters }: Within,
): Promise<fc.RunDetails<Values>> {
  const end = performance.now() + limitMs;
  const run = property.run.bind(property);
  let numRuns = 0;
  let interrupted = false;
  property.run = async (value) => {
    interrupted ||= performance.now() > end;
    if (interrupted) return null;
    numRuns++;
    return run(value);
  };
  return { ...(await fc.check(property, parameters as fc.Parameters<Values>)), numRuns, interrupted };
}
