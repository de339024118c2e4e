/** The loader in workers, in forked children, and beside other software that uses llama.cpp. */
import { appendFileSync, cpSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  dlopenStatement,
  flatLayout,
  ggml,
  ggmlBase,
  libraries,
  llama,
  llamaVersion,
  loaderOf,
  loadInChild,
  testPrebuilt,
  testPrebuiltIf,
} from "./layouts.js";

const root = fileURLToPath(new URL("../..", import.meta.url)).replace(/[\\/]$/, "");
const nodeLlamaCpp = JSON.stringify(import.meta.resolve("node-llama-cpp"));
/** The test changes a library's file or reads the process's memory map as Linux tells it. */
const testLinux = testPrebuiltIf(process.platform === "linux");

/** A worker's program: loads, tells the version, and stays until it is told to end. */
const worker = `
  import { parentPort, workerData } from "node:worker_threads";
  const { loadBinding } = await import(workerData);
  parentPort.postMessage(loadBinding().llamaVersionLoaded);
  parentPort.once("message", () => parentPort.close());`;

const startWorkers = (count: number) => `
  const { Worker } = await import("node:worker_threads");
  const program = new URL("data:text/javascript," + encodeURIComponent(${JSON.stringify(worker)}));
  const workers = Array.from({ length: ${count} }, () => new Worker(program, { workerData: loader }));
  const answers = workers.map((one) => new Promise((resolve, reject) => {
    one.once("message", resolve).once("error", reject);
  }));
  const ends = workers.map((one) => new Promise((resolve) => one.once("exit", resolve)));`;

testPrebuilt("loads in several workers at once, and then in the main thread", async (t) => {
  const { packageFolder } = flatLayout(t);
  const outcome = await loadInChild(packageFolder, {
    before: `${startWorkers(4)}
      extra.versions = await Promise.all(answers);
      for (const one of workers) one.postMessage("end");
      extra.exits = await Promise.all(ends);`,
  });
  t.is(outcome.code, undefined, outcome.message);
  t.deepEqual(outcome.extra, { versions: Array(4).fill(llamaVersion), exits: [0, 0, 0, 0] });
  t.true(outcome.backends?.includes("CPU"));
});

testPrebuilt("loads in workers after the main thread, and stays usable when they have ended", async (t) => {
  const { packageFolder } = flatLayout(t);
  const outcome = await loadInChild(packageFolder, {
    after: `${startWorkers(3)}
      extra.versions = await Promise.all(answers);
      await Promise.all(workers.map((one) => one.terminate()));`,
  });
  t.is(outcome.code, undefined, outcome.message);
  t.deepEqual(outcome.extra, { versions: Array(3).fill(llamaVersion) });
  t.true(outcome.backends?.includes("CPU"));
});

testPrebuilt("a worker that waits for the main thread does not hold up its load", async (t) => {
  const { packageFolder } = flatLayout(t);
  const outcome = await loadInChild(packageFolder, {
    before: `
      const { Worker } = await import("node:worker_threads");
      const flag = new Int32Array(new SharedArrayBuffer(4));
      const text = 'const { parentPort, workerData } = require("node:worker_threads"); parentPort.postMessage(1); Atomics.wait(workerData, 0, 0);';
      const waiting = new Worker(text, { eval: true, workerData: flag });
      await new Promise((resolve) => waiting.once("message", resolve));
      extra.release = () => { Atomics.store(flag, 0, 1); Atomics.notify(flag, 0); };`,
    after: "extra.release(); delete extra.release;",
  });
  t.is(outcome.code, undefined, outcome.message);
});

testPrebuilt("loads in a forked child while the parent has it loaded", async (t) => {
  const { folder, packageFolder } = flatLayout(t);
  const file = join(folder, "child.mjs");
  const lines = [
    `const { loadBinding } = await import(${JSON.stringify(loaderOf(packageFolder))});`,
    "process.send(loadBinding().llamaVersionLoaded);",
  ];
  writeFileSync(file, lines.join("\n"));
  const outcome = await loadInChild(packageFolder, {
    after: `
      const { fork } = await import("node:child_process");
      const forked = fork(${JSON.stringify(file)}, { execArgv: [] });
      extra.version = await new Promise((resolve) => forked.once("message", resolve));
      extra.exit = await new Promise((resolve) => forked.once("exit", resolve));`,
  });
  t.is(outcome.code, undefined, outcome.message);
  t.deepEqual(outcome.extra, { version: llamaVersion, exit: 0 });
});

for (const file of [ggmlBase, ggml, llama]) {
  testLinux(`refuses when a different ${file} is in the process, and names both`, async (t) => {
    const { folder, packageFolder, platformFolder } = flatLayout(t);
    const other = join(folder, "other");
    mkdirSync(other);
    // All of them, so that the changed one finds those that it needs itself; copies, since one is changed.
    for (const name of readdirSync(libraries)) cpSync(join(libraries, name), join(other, name));
    appendFileSync(join(other, file), "changed");
    const outcome = await loadInChild(packageFolder, { before: dlopenStatement(join(other, file)) });
    t.is(outcome.code, "ERR_LIBRARY_CONFLICT", outcome.message);
    t.is(outcome.details?.library, file);
    t.is(outcome.details?.loaded, join(other, file));
    t.true(String(outcome.details?.wanted).startsWith(platformFolder));
  });
}

testLinux("refuses when the file of a library in the process was deleted", async (t) => {
  const { folder, packageFolder } = flatLayout(t);
  const copy = join(folder, ggmlBase);
  cpSync(join(libraries, ggmlBase), copy);
  const outcome = await loadInChild(packageFolder, {
    before: `${dlopenStatement(copy)} (await import("node:fs")).rmSync(${JSON.stringify(copy)});`,
  });
  t.is(outcome.code, "ERR_LIBRARY_CONFLICT", outcome.message);
});

testLinux("uses an equal copy of a library that is in the process, and maps no second one", async (t) => {
  const { folder, packageFolder } = flatLayout(t);
  const copy = join(folder, ggmlBase);
  cpSync(join(libraries, ggmlBase), copy);
  const outcome = await loadInChild(packageFolder, {
    before: dlopenStatement(copy),
    after: `
      const { sharedObjects } = process.report.getReport();
      extra.mapped = sharedObjects.filter((path) => path.endsWith(${JSON.stringify(ggmlBase)}));`,
  });
  t.is(outcome.code, undefined, outcome.message);
  t.true(outcome.backends?.includes("CPU"));
  t.deepEqual(outcome.extra.mapped, [copy]);
});

testPrebuilt("loads after node-llama-cpp in one process", async (t) => {
  const outcome = await loadInChild(root, {
    before: `
      const { getLlama } = await import(${nodeLlamaCpp});
      extra.gpu = (await getLlama({ gpu: false, build: "never", skipDownload: true })).gpu;`,
  });
  t.is(outcome.code, undefined, outcome.message);
  t.deepEqual(outcome.extra, { gpu: false });
});

testPrebuilt("loads before node-llama-cpp in one process", async (t) => {
  const outcome = await loadInChild(root, {
    after: `
      const { getLlama } = await import(${nodeLlamaCpp});
      extra.gpu = (await getLlama({ gpu: false, build: "never", skipDownload: true })).gpu;`,
  });
  t.is(outcome.code, undefined, outcome.message);
  t.deepEqual(outcome.extra, { gpu: false });
});

testPrebuilt("two copies of the package load side by side", async (t) => {
  const first = flatLayout(t);
  const second = flatLayout(t);
  const outcome = await loadInChild(first.packageFolder, {
    after: `
      const { loadBinding } = await import(${JSON.stringify(loaderOf(second.packageFolder))});
      extra.version = loadBinding().llamaVersionLoaded;`,
  });
  t.is(outcome.code, undefined, outcome.message);
  t.is(outcome.extra.version, llamaVersion);
});
