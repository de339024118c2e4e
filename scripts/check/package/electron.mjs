/**
 * The package as Electron's tools treat it: @electron/rebuild must find nothing to build, and an app packed into an archive
 * by @electron/asar must find what was unpacked beside it.
 *
 * Electron itself is not run. Its file system shows an archive as a folder to JavaScript, and native code cannot open
 * what is in it: here a real folder stands for the archive, in which every file that native code opens is spoilt.
 */
import { cpSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { check, checkAnswer, checkRefusal, makeProject, node, npmInstall, program, step } from "./work.mjs";

/** As docs/platforms.md has it. */
const unpacked = "**/node_modules/{overfill,@overfill,@node-llama-cpp}/**";

const rebuild = `
  import { rebuild } from "@electron/rebuild";
  const found = [];
  const done = rebuild({ buildPath: process.argv[2], electronVersion: "40.0.0", arch: process.arch, force: true });
  done.lifecycle.on("module-found", (name) => found.push(name));
  await done;
  console.log(JSON.stringify(found));`;

const archive = `
  import { createPackageWithOptions, extractAll } from "@electron/asar";
  const [source, target, unpack] = process.argv.slice(2);
  await createPackageWithOptions(source, target, unpack ? { unpack } : {});
  extractAll(target, target + ".folder");`;

/** Loaded before the app: says that this is Electron. */
const electron = `Object.defineProperty(process, "versions", { value: { ...process.versions, electron: "40.0.0" } });`;

export async function checkElectron(_tarballs, project) {
  const tools = makeProject("electron-tools", {
    "rebuild.mjs": rebuild,
    "archive.mjs": archive,
    "electron.mjs": electron,
  });
  await step("installs Electron's tools", () => npmInstall(tools, "@electron/rebuild@4.2.1", "@electron/asar@4.3.2"));

  await step("@electron/rebuild finds nothing to build", () => {
    const found = JSON.parse(node([join(tools, "rebuild.mjs"), project]));
    check(!found.some((name) => name.includes("overfill")), `@electron/rebuild looks at ${found}`);
  });

  const app = makeProject("electron-app", { "main.mjs": program.esm });
  cpSync(join(project, "node_modules"), join(app, "node_modules"), { recursive: true, dereference: true });
  const inElectron = (file, ...args) =>
    node(["--import", pathToFileURL(join(tools, "electron.mjs")).href, file, ...args]);

  /** Packs the app and puts a folder in the archive's place. */
  const pack = (name, unpack) => {
    const target = join(makeProject(name), "app.asar");
    node([join(tools, "archive.mjs"), app, target, unpack]);
    renameSync(target, `${target}.archive`);
    renameSync(`${target}.folder`, target);
    for (const file of readdirSync(target, { recursive: true, encoding: "utf8" }))
      if (/\.(node|gguf|so|dylib|dll)$/.test(file)) writeFileSync(join(target, file), "in the archive");
    return target;
  };

  await step("from an archive: the demo pair, and doctor", () => {
    const target = pack("unpacked", unpacked);
    checkAnswer(inElectron(join(target, "main.mjs")));
    const doctor = join(target, "node_modules", "overfill", "dist", "cli", "main.js");
    const report = JSON.parse(inElectron(doctor, "doctor", "--json"));
    check(report.ok, JSON.stringify(report.problem));
  });

  await step("from an archive that has left nothing unpacked: says what to unpack", () => {
    const target = pack("packed", "");
    checkRefusal(inElectron(join(target, "main.mjs")), "ERR_INVALID_ARGUMENT", "asarUnpack");
  });
}
