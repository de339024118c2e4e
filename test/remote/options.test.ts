/** What may be asked of remote devices. */

import { chmodSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { demoPair, type LoadPairOptions, loadPair } from "../../lib/index.js";
import { KeyFault, readKey, writeKey } from "../../lib/remote/key.js";
import { refusal } from "../engine/fixtures.js";
import { withTempDir } from "../support/temp-dir.js";

const withDevices = (devices: unknown, more: object = {}, remote: object = { inProcess: true }) =>
  ({ ...demoPair, gpu: false, prefill: { ...demoPair.prefill, devices, ...more }, remote }) as LoadPairOptions;

const refused: readonly [title: string, options: LoadPairOptions, parameter: string, expected: RegExp][] = [
  ["no server", withDevices([]), "options.prefill.devices", /1 to 16/],
  ["a server twice", withDevices(["rpc://127.0.0.1:1", "rpc://127.0.0.1:1/"]), "options.prefill.devices", /once/],
  ["no scheme", withDevices(["127.0.0.1:50052"]), "options.prefill.devices.0", /rpc:\/\/HOST:PORT/],
  ["no port", withDevices(["rpc://127.0.0.1"]), "options.prefill.devices.0", /rpc:\/\/HOST:PORT/],
  ["a port out of range", withDevices(["rpc://127.0.0.1:65536"]), "options.prefill.devices.0", /rpc:\/\/HOST:PORT/],
  ["a path", withDevices(["rpc://127.0.0.1:1/a"]), "options.prefill.devices.0", /rpc:\/\/HOST:PORT/],
  ["rpcs without a key", withDevices(["rpcs://127.0.0.1:1"]), "options.prefill.devices.0", /a key beside rpcs/],
  [
    "rpc with a key",
    withDevices([{ url: "rpc://127.0.0.1:1", key: "k" }]),
    "options.prefill.devices.0.url",
    /rpcs: beside/,
  ],
  ["rpc to another machine", withDevices(["rpc://10.0.0.1:1"]), "options.prefill.devices.0", /another machine/],
  [
    "a name that begins like this machine",
    withDevices(["rpc://127.0.0.1.evil.example:1"]),
    "options.prefill.devices.0",
    /another machine/,
  ],
  ["a split without devices", withDevices(undefined, { split: [1] }), "options.prefill.split", /without devices/],
  ["a split of nothing", withDevices(["rpc://127.0.0.1:1"], { split: [0, 0] }), "options.prefill.split", /above 0/],
  ["no time", withDevices(["rpc://127.0.0.1:1"], {}, { timeoutMs: 0 }), "options.remote.timeoutMs", /at least|from 10/],
];

for (const [title, options, parameter, expected] of refused)
  test(`${title} is refused`, async (t) => {
    const { details } = await refusal(t, "ERR_INVALID_ARGUMENT", loadPair(options));
    t.is(details.parameter, parameter);
    t.regex(details.expected ?? "", expected);
  });

test("a pair with remote devices is not loaded in the app's process unasked", async (t) => {
  const options = withDevices(["rpc://127.0.0.1:1"], {}, {});
  const error = await refusal(t, "ERR_REMOTE_NEEDS_HOST", loadPair(options));
  t.regex(error.message, /loadPairInHost/);
});

test("decode models lie here", async (t) => {
  const { prefill, decode } = demoPair;
  const options = { prefill, decode: { ...decode, devices: ["rpc://127.0.0.1:1"] } } as LoadPairOptions;
  const { details } = await refusal(t, "ERR_INVALID_ARGUMENT", loadPair(options));
  t.is(details.parameter, "options.decode.devices");
});

test("a key is read back, is its owner's alone, and is not written over", (t) => {
  const file = join(withTempDir(t), "a.key");
  const key = writeKey(file);
  t.deepEqual(readKey(file), key);
  t.is(key.secret.length, 32);
  if (process.platform !== "win32") t.is(statSync(file).mode & 0o777, 0o600);
  const before = readFileSync(file, "utf8");
  t.throws(() => writeKey(file), { code: "EEXIST" });
  t.is(readFileSync(file, "utf8"), before);
});

test("what is no key is told", (t) => {
  const dir = withTempDir(t);
  const write = (name: string, text: string, mode = 0o600) => {
    const file = join(dir, name);
    writeFileSync(file, text, { mode });
    chmodSync(file, mode);
    return file;
  };
  writeKey(join(dir, "good"));
  const text = readFileSync(join(dir, "good"), "utf8");
  t.throws(() => readKey(join(dir, "none")), { instanceOf: KeyFault, message: /cannot be read/ });
  t.throws(() => readKey(dir), { instanceOf: KeyFault });
  t.throws(() => readKey(write("empty", "")), { instanceOf: KeyFault, message: /no key/ });
  t.throws(() => readKey(write("cut", text.slice(0, -10))), { instanceOf: KeyFault, message: /no key/ });
  t.throws(() => readKey(write("large", text.padEnd(5000))), { instanceOf: KeyFault, message: /no key/ });
  if (process.platform !== "win32")
    t.throws(() => readKey(write("shared", text, 0o644)), { instanceOf: KeyFault, message: /chmod 600/ });
});
