/** `overfill pull` as it is run, and files of servers that are not the Hub. */

import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { DownloadFault } from "../../lib/cli/hub/faults.js";
import { type PullAddressOptions, pullAddress } from "../../lib/cli/hub/pull-address.js";
import { demoPair } from "../../lib/engine/demo-pair.js";
import { withTempDir } from "../support/temp-dir.js";
import { finishCommand, runCommand, startCommand } from "./command-process.js";
import { FakeHub, type FakeRepository, secret, sha256 } from "./hub/fake-hub.js";

const [full, small] = [demoPair.prefill, demoPair.decode].map(({ model }) => readFileSync(model));
const files = { "demo-F16.gguf": full as Buffer, "demo-Q4_0.gguf": small as Buffer };
const posixTest = process.platform === "win32" ? test.skip : test;

async function start(t: ExecutionContext, about: Partial<FakeRepository> = {}) {
  const hub = await FakeHub.start({ "org/demo-GGUF": { files, ...about } });
  t.teardown(() => hub[Symbol.asyncDispose]());
  const folder = withTempDir(t);
  const none = { HF_HUB_CACHE: undefined, HUGGINGFACE_HUB_CACHE: undefined, HF_TOKEN: undefined };
  const env = { ...none, HF_ENDPOINT: hub.endpoint.href, HF_HOME: folder, HF_HUB_OFFLINE: undefined };
  return { hub, folder, env };
}

test("two quantisations come, and the text says what to do with them", async (t) => {
  const { env, folder } = await start(t);
  const args = ["pull", "org/demo-GGUF", "--quant", "q4_0,f16"];
  const { stdout, stderr, exitCode } = await runCommand(args, { env });
  t.is(exitCode, 0, stderr);
  t.is(stderr, "");
  t.regex(stdout, /overfill chat .*\n.*--prefill \S+demo-F16\.gguf.*\n.*--decode \S+demo-Q4_0\.gguf/);
  const again = await runCommand([...args, "--json"], { env });
  const { models, repository } = JSON.parse(again.stdout);
  t.is(repository, "org/demo-GGUF");
  t.true(models[0].path.startsWith(join(folder, "hub", "models--org--demo-GGUF")));
  t.is(models[0].files[0].downloadedBytes, 0);

  const answer = await runCommand([
    "run",
    "--prefill",
    models[1].path,
    "--decode",
    models[0].path,
    "-p",
    "\n Tavlin has",
  ]);
  t.is(answer.exitCode, 0, answer.stderr);
});

test("the token lies where `hf auth login` puts it", async (t) => {
  const { env, folder } = await start(t, { access: "private" });
  const args = ["pull", "org/demo-GGUF:F16", "--quiet"];
  const refused = await runCommand(args, { env });
  t.is(refused.exitCode, 1);
  t.regex(refused.stderr, /^overfill: org\/demo-GGUF is not there, or is private: .* \(ERR_DOWNLOAD_REFUSED\)\n$/);
  writeFileSync(join(folder, "token"), `${secret}\n`);
  const { stdout, exitCode } = await runCommand(args, { env });
  t.deepEqual({ stdout, exitCode }, { stdout: "", exitCode: 0 });
});

posixTest("Ctrl-C keeps what is there for the next time", async (t) => {
  const { env, hub } = await start(t);
  let isSilent = () => {};
  const silent = new Promise<void>((resolve) => {
    isSilent = resolve;
  });
  hub.fault = ({ server }) => {
    if (server !== "files") return undefined;
    isSilent();
    return { silentAfter: 100_000 };
  };
  const child = startCommand(["pull", "org/demo-GGUF:F16"], { env });
  await silent;
  child.kill("SIGINT");
  const { exitCode, stderr } = await finishCommand(child);
  t.deepEqual({ exitCode, stderr }, { exitCode: 130, stderr: "" });
  hub.fault = () => undefined;
  const { stdout } = await runCommand(["pull", "org/demo-GGUF:F16", "--json"], { env });
  t.is(readFileSync(JSON.parse(stdout).models[0].path).compare(files["demo-F16.gguf"]), 0);
});

for (const [args, words] of [
  [["org/demo-GGUF"], /^overfill: org\/demo-GGUF has several models: .*\n {2}F16 .*\n {2}Q4_0 .*\n$/],
  [["org/demo-GGUF", "-o", "x.gguf"], /--out and --sha256 are for files of other servers/],
  [["https://example.com/a.gguf", "--quant", "q8_0"], /--quant, --file and --revision are for repositories/],
  [["https://example.com/a.gguf", "-o", "-"], /Expected the name of a file/],
  [["https://example.com/a.gguf", "--sha256", "12"], /Expected 64 hexadecimal digits/],
  [["org/demo-GGUF:F16", "--connections", "0"], /Expected a whole number from 1 to 16/],
  [["org/demo-GGUF:F16", "--revision", "../x"], /is no revision/],
  [["x"], /expected a repository such as/],
] as const)
  test(`pull ${args.join(" ")} is wrong usage`, async (t) => {
    const { env } = await start(t);
    const { stdout, stderr, exitCode } = await runCommand(["pull", ...args], { env });
    t.deepEqual({ stdout, exitCode }, { stdout: "", exitCode: 2 });
    t.regex(stderr, words);
  });

async function address(t: ExecutionContext) {
  const { hub, folder } = await start(t);
  const url = new URL("files/org/demo-GGUF/demo-F16.gguf", hub.store);
  const path = join(folder, "in", "a.gguf");
  const pull = (options: Partial<PullAddressOptions> = {}) =>
    pullAddress({ url, out: path, rules: hub.rules({ token: secret }), segmentBytes: 2 ** 19, ...options });
  return { hub, url, path, pull, folder: join(folder, "in") };
}

const failsWith = async (t: ExecutionContext, work: Promise<unknown>, code: DownloadFault["code"], words: RegExp) => {
  const error = await t.throwsAsync(work, { instanceOf: DownloadFault, message: words });
  t.is((error as DownloadFault).code, code);
};

test("a file of another server lies where it is wanted, and the token stays here", async (t) => {
  const { hub, path, pull, folder } = await address(t);
  const result = await pull({ digest: sha256(files["demo-F16.gguf"]) });
  t.is(result.path, path);
  t.is(readFileSync(path).compare(files["demo-F16.gguf"]), 0);
  t.deepEqual(readdirSync(folder), ["a.gguf"]);
  for (const { authorization } of hub.seen) t.is(authorization, undefined);
  await t.throwsAsync(pull(), { message: /is there already: remove it/ });
});

test("a file without a known checksum is checked by its length and its beginning", async (t) => {
  const { hub, path, pull, folder } = await address(t);
  hub.fault = () => ({ body: Buffer.from("<html>Sign in</html>") });
  await failsWith(t, pull(), "ERR_DOWNLOAD_CORRUPT", /is no GGUF file, and was removed/);
  t.deepEqual(readdirSync(folder), []);
  hub.fault = () => undefined;
  await pull();
  t.true(existsSync(path));
});

test("a wrong checksum that was given is told", async (t) => {
  const { pull, folder } = await address(t);
  await failsWith(t, pull({ digest: "0".repeat(64) }), "ERR_DOWNLOAD_CORRUPT", /its checksum is/);
  t.deepEqual(readdirSync(folder), []);
});

test("a file that another one took the place of is begun again", async (t) => {
  const { hub, path, pull, folder } = await address(t);
  hub.fault = ({ range }) => (range?.startsWith("bytes=1048576-") ? { status: 500 } : undefined);
  await failsWith(t, pull({ connections: 1 }), "ERR_DOWNLOAD_FAILED", /answers 500/);
  t.deepEqual(readdirSync(folder).sort(), ["a.gguf.overfill-part", "a.gguf.overfill-part.json"]);
  const other = Buffer.from(files["demo-F16.gguf"]);
  other[5] = 77;
  hub.fault = () => ({ body: other });
  await pull();
  t.is(readFileSync(path).compare(other), 0);
});

test("a server that does not say how large a file is, is refused", async (t) => {
  const { hub, pull } = await address(t);
  hub.fault = () => ({ contentRange: "bytes 0-0/*" });
  await failsWith(t, pull(), "ERR_DOWNLOAD_FAILED", /does not tell how large the file is/);
});

test("an address without a file's name needs one", async (t) => {
  const { hub } = await address(t);
  for (const path of ["", "files/a.bin", "a%2Fb.gguf", "%"])
    await t.throwsAsync(pullAddress({ url: new URL(path, hub.store), rules: hub.rules() }), {
      message: /does not end in the name of a GGUF file: name one by --out/,
    });
});

test("redirects in a circle and to what is no server are refused", async (t) => {
  const { hub, url, pull } = await address(t);
  hub.fault = () => ({ status: 302, headers: { location: url.href } });
  await failsWith(t, pull(), "ERR_DOWNLOAD_FAILED", /redirects to nowhere/);
  hub.fault = () => ({ status: 302, headers: { location: "file:///etc/passwd" } });
  await failsWith(t, pull(), "ERR_DOWNLOAD_FAILED", /redirects to nowhere/);
});

test("a folder for the file that cannot be made is told", async (t) => {
  const { pull, folder } = await address(t);
  writeFileSync(folder, "a file");
  const error = await t.throwsAsync(pull());
  t.regex(String((error as NodeJS.ErrnoException).code), /^(EEXIST|ENOTDIR)$/);
});
