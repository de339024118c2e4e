/** What `overfill serve` says before it serves. */

/** @param url such as http://127.0.0.1:8080 */
export const renderListening = (url: string, needsKey: boolean): string =>
  `overfill: listening on ${url} (base URL ${url}/v1${needsKey ? ", with a key" : ""})\n`;
