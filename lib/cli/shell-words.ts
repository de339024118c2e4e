/** Commands that people are told to run. */

/** A file's name as a shell takes it. */
export const quoted = (file: string): string => (/^[\w./:\\-]+$/.test(file) ? file : `"${file}"`);
