/** @returns the files that were bundled, relative to the repository */
export function buildPage(folder?: string): Promise<readonly string[]>;
