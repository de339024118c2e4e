/**
 * The examples as strangers get them: written by `overfill init` of the packed package, installed with what they ask for, and
 * started by npm's scripts. Of electron's, which needs a display, everything but the window is looked at.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { thisPlatform } from "../../release/platforms.mjs";
import { check, makeProject, node, npmInstall, root, run, step, work } from "./work.mjs";

/** Two small models that know tools, in the folder. */
function writeModels(folder) {
  const program = `import { writeTinyModel } from ${JSON.stringify(pathToFileURL(join(root, "test/support/tiny-model.ts")).href)};
    import { readFileSync } from "node:fs";
    const file = ${JSON.stringify(join(root, "build/llama.cpp/models/templates/Qwen-Qwen2.5-7B-Instruct.jinja"))};
    const metadata = { "tokenizer.chat_template": { type: "string", value: readFileSync(file, "utf8") } };
    for (const [name, nFf] of [["full", 128], ["small", 64]])
      await writeTinyModel(${JSON.stringify(folder)} + "/" + name + ".gguf", { contextLength: 8192, nFf, metadata });`;
  node(["--import", import.meta.resolve("tsx"), "--input-type=module", "-e", program], { cwd: root });
}

/** Writes the example `kind` by the copy of the package in `project`: there, where it finds that copy, or elsewhere. */
function writeExample(project, kind, where = project) {
  const folder = join(where, `my-${kind}`);
  const bin = join(project, "node_modules", "overfill", "dist", "cli", "main.js");
  node([bin, "init", folder, "--kind", kind, "--prefill", "full.gguf", "--decode", "small.gguf"], { cwd: project });
  return folder;
}

/** The words of a script of the project, without the program in front of them. */
function wordsOf(folder, script) {
  const { scripts } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  return [...scripts[script].matchAll(/"([^"]*)"|(\S+)/g)].map(([, inside, plain]) => inside ?? plain).slice(1);
}

/** Starts a script; gives the first text that it prints that matches, and the process. */
async function untilPrinted(folder, args, pattern) {
  const child = spawn(process.execPath, args, {
    cwd: folder,
    env: { ...process.env, PORT: "0", NEXT_TELEMETRY_DISABLED: "1" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let told = "";
  return await new Promise((resolve, reject) => {
    // Read to its end: a server that goes on printing would fail at a pipe that nobody reads.
    child.stdout.setEncoding("utf8").on("data", (chunk) => {
      told += chunk;
      const found = pattern.exec(told);
      if (found) resolve({ found, child });
    });
    child.once("exit", () => reject(new Error(`${args.join(" ")} ended without ${pattern}: ${told}`)));
  });
}

/** All that a script prints that runs beside this process, which has to read meanwhile what a server prints. */
async function printedBy(folder, args) {
  const child = spawn(process.execPath, args, { cwd: folder, stdio: ["ignore", "pipe", "inherit"] });
  let told = "";
  for await (const chunk of child.stdout.setEncoding("utf8")) told += chunk;
  return told;
}

async function stop(child) {
  const ended = once(child, "exit");
  child.kill();
  await ended;
}

/**
 * @param project an app that has the packed package installed
 */
export async function checkExamples(tarballs, project) {
  writeModels(project);

  await step("examples that need nothing else: chat, json, tools, worker", () => {
    for (const [kind, words] of [
      ["chat", "> "],
      ["json", "degrees: "],
      ["tools", " tokens"],
      ["worker", "\n"],
    ]) {
      const folder = writeExample(project, kind);
      const told = node(wordsOf(folder, "start"), { cwd: folder });
      check(told.includes(words), `the example ${kind} printed ${told}`);
    }
  });

  await step("the example http-stream", async () => {
    const folder = writeExample(project, "http-stream");
    const { found, child } = await untilPrinted(folder, wordsOf(folder, "start"), /http:\S+(?=\n)/);
    const response = await fetch(found[0], { method: "POST", body: "Why?" });
    check(response.status === 200 && (await response.text()).length > 0, "it gave no answer");
    await stop(child);
  });

  await step("the example remote-prefill, its writer beside its reader", async () => {
    const folder = writeExample(project, "remote-prefill");
    const { found, child } = await untilPrinted(folder, wordsOf(folder, "start"), /http:\S+(?=\n)/);
    const told = await printedBy(folder, [...wordsOf(folder, "writer"), found[0], "Hello"]);
    check(/\n\d+ tokens were read there, \d+ written here\n$/.test(told), `the writer printed ${told}`);
    await stop(child);
  });

  await step("the example make-a-pair", () => {
    const folder = writeExample(project, "make-a-pair");
    const told = node(wordsOf(folder, "start"), { cwd: folder });
    check(told.includes("Tell about Rosnek : Rosnek has "), `it printed ${told}`);
  });

  const packages = [tarballs.main, tarballs.platforms[thisPlatform]];

  await step("npm create overfill", () => {
    const folder = makeProject("create");
    npmInstall(folder, ...packages, tarballs.create);
    const program = join(folder, "node_modules", "create-overfill", "create-overfill.mjs");
    const told = node([program, "my-app", "--kind", "json"], { cwd: folder });
    check(told.startsWith("Wrote my-app (json)"), `it printed ${told}`);
  });

  await step("the example agent, with its MCP server", () => {
    const folder = writeExample(project, "agent", work);
    npmInstall(folder, ...packages);
    const told = node(wordsOf(folder, "start"), { cwd: folder });
    check(told.includes(" tokens"), `it printed ${told}`);
  });

  await step("the example openai-server, asked by its client", async () => {
    const folder = writeExample(project, "openai-server", work);
    npmInstall(folder, ...packages);
    const { found, child } = await untilPrinted(folder, wordsOf(folder, "start"), /http:\S+\/v1(?=\n)/);
    const told = await printedBy(folder, [...wordsOf(folder, "client"), found[0], "Hello"]);
    check(told.length > 1, "the client printed nothing");
    await stop(child);
  });

  await step("the example next, built and asked", async () => {
    const folder = writeExample(project, "next", work);
    npmInstall(folder, ...packages);
    const next = join(folder, "node_modules", "next", "dist", "bin", "next");
    run(process.execPath, [next, "build"], { cwd: folder, env: { NEXT_TELEMETRY_DISABLED: "1" } });
    const { found, child } = await untilPrinted(folder, [next, "start", "-p", "0"], /http:\/\/localhost:\d+/);
    const messages = [{ role: "user", content: "Hello" }];
    const response = await fetch(`${found[0]}/api/chat`, { method: "POST", body: JSON.stringify({ messages }) });
    check(response.status === 200 && (await response.text()).length > 0, `its route answers ${response.status}`);
    const page = await (await fetch(found[0])).text();
    check(page.includes('aria-label="Message"'), "its page has no field for a message");
    await stop(child);
  });

  await step("the example electron names the models, and all of its files", () => {
    const folder = writeExample(project, "electron");
    const program = `import { models } from "./models.mjs"; console.log(JSON.stringify(models));`;
    writeFileSync(join(folder, "check.mjs"), program);
    const { prefill, decode } = JSON.parse(node([join(folder, "check.mjs")], { cwd: folder }));
    for (const { model } of [prefill, decode]) check(existsSync(model), `${model} is not there`);
    for (const file of ["main.mjs", "chat.mjs", "preload.cjs", "index.html", "page.mjs", "forge.config.cjs"])
      check(existsSync(join(folder, file)), `${file} is missing`);
  });
}
