/** What can be read of a JSON text that is still being written. */

import { Allow, parse } from "partial-json";

/** The value so far: unfinished texts as far as they go, no unfinished numbers or words. Undefined before it begins. */
export function readPartialJson(text: string): unknown {
  try {
    return parse(text, Allow.STR | Allow.OBJ | Allow.ARR);
  } catch {
    // Nothing of the value is there yet, or what is there is no JSON.
    return undefined;
  }
}
