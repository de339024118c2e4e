/** A folder of its own for a test's files. */

import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ExecutionContext } from "ava";

/**
 * Makes an empty folder that is removed, with all in it, when the test has ended. In a `before` hook it lives until that
 * hook's end only: give fixtures that several tests share to {@link makeTempDir} and remove them in `after.always`.
 */
export function withTempDir(t: Pick<ExecutionContext, "teardown">): string {
  const { path, remove } = makeTempDir();
  t.teardown(remove);
  return path;
}

/** Makes an empty folder, and the function that removes it. */
export function makeTempDir(): { readonly path: string; readonly remove: () => Promise<void> } {
  const path = mkdtempSync(join(tmpdir(), "overfill-"));
  // On Windows a file that was memory-mapped a moment ago may refuse to go at once: retry.
  return { path, remove: () => rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }) };
}
