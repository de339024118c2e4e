/**
 * The program of a child process: loads the addon with the loader at the URL in its first argument and prints what came
 * of it as the last line. The other arguments are statements to run before and after the load; they may use `await`,
 * `loader` and `extra`, whose values are printed too.
 */
const [loader, before, after] = process.argv.slice(2);
const extra = {};

const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor;
const run = (statements) => new AsyncFunction("extra", "loader", statements)(extra, loader);

let outcome;
try {
  await run(before);
  const { describeBinding, loadBinding } = await import(loader);
  const binding = loadBinding();
  const { addonPath, libraryDirectory } = describeBinding();
  await run(after);
  outcome = {
    addonPath,
    libraryDirectory,
    versions: [binding.llamaVersionBuilt, binding.llamaVersionLoaded],
    backends: binding.devices().map((device) => device.backend),
  };
} catch (error) {
  outcome = { code: error.code ?? "none", message: String(error.stack), details: error.details };
}
// Other software in the process may keep it alive.
process.stdout.write(`\n${JSON.stringify({ ...outcome, extra })}\n`, () => process.exit(0));
