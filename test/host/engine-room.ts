/**
 * Runs tests of the engine room once more, with every pair of their fixtures in a host: what they say is true of both. Each
 * has a file of its own here, as the test runner takes one title only once in a file.
 */
export async function inHosts(file: string): Promise<void> {
  process.env.OVERFILL_TEST_PAIRS = "host";
  await import(`../engine/${file}.test.js`);
}
