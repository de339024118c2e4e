/** An app that has installed the packed package: what came, what it weighs, the API, the command line, the refusals. */
import { readdirSync, readFileSync, renameSync, statSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { linksOf } from "../../docs/markdown.mjs";
import { isAmong, lostLinks } from "../../release/packed-links.mjs";
import { platforms, thisPlatform } from "../../release/platforms.mjs";
import {
  check,
  checkAnswer,
  checkRefusal,
  evaluate,
  makeProject,
  node,
  npmInstall,
  onWindows,
  program,
  root,
  run,
  step,
  work,
} from "./work.mjs";

const { packageName, libraries } = platforms[thisPlatform];

const numberWords = ["no", "one", "two", "three", "four", "five"];

/** The goal for an app's node_modules, and the one for its modules that `import "overfill"` loads. */
const maximumBytes = 42e6;
const maximumModules = 4;

function filesBelow(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Files and milliseconds of `import "overfill"`: the median of five processes, less an empty module's. */
function importCost(project) {
  const cost = (specifier) => {
    const times = Array.from({ length: 5 }, () => {
      const text = `const began = performance.now(); await import(${JSON.stringify(specifier)});
        console.log(JSON.stringify(performance.now() - began));`;
      return evaluate(project, text);
    });
    return times.sort((a, b) => a - b)[2];
  };
  return cost("overfill") - cost("data:text/javascript,");
}

/** The modules that `import "overfill"` loads from files, as a loader hook sees them. */
function importedModules(project) {
  const hook = `
    import { appendFileSync } from "node:fs";
    export async function load(url, context, next) {
      if (url.startsWith("file:")) appendFileSync("modules.txt", url + "\\n");
      return next(url, context);
    }`;
  const text = `import { register } from "node:module";
    register("data:text/javascript," + encodeURIComponent(${JSON.stringify(hook)}));
    await import("overfill");
    console.log("{}");`;
  evaluate(project, text);
  return readFileSync(join(project, "modules.txt"), "utf8").trim().split("\n");
}

/**
 * @param whole false: installs, and checks nothing
 * @returns the app's folder
 */
export async function checkInstalled(tarballs, whole) {
  const project = makeProject("project", {
    "demo.mjs": program.esm,
    "demo.cjs": program.cjs,
    "dynamic.cjs": program.dynamic,
  });
  const modules = join(project, "node_modules");
  const platformTarball = tarballs.platforms[thisPlatform];

  await step("installs with npm, without a script", () => npmInstall(project, tarballs.main, platformTarball));

  if (!whole) return project;
  let packages = [];

  await step("brings its own packages and llama.cpp's libraries for this platform, and nothing else", () => {
    packages = readdirSync(modules)
      .filter((name) => !name.startsWith("."))
      .flatMap((name) =>
        name.startsWith("@") ? readdirSync(join(modules, name)).map((one) => `${name}/${one}`) : name,
      );
    const own = JSON.parse(readFileSync(join(modules, "overfill", "package.json"), "utf8"));
    const expected = [libraries, packageName, "overfill"];
    check(packages.sort().join() === expected.sort().join(), `installed: ${packages}`);
    const peers = Object.keys(own.peerDependencies ?? {});
    const isFree = peers.every((name) => own.peerDependenciesMeta?.[name]?.optional === true);
    check(own.scripts === undefined && isFree, "the package has scripts, or peers that an install brings");
    const native = filesBelow(join(modules, "overfill")).filter((file) => /\.(cpp|h|cu|gyp|cmake|node)$/.test(file));
    check(native.length === 0, `the package holds ${native}`);
  });

  await step("has no page with a link that leads nowhere", () => {
    const folder = join(modules, "overfill");
    const files = filesBelow(folder).map((file) => relative(folder, file).split(sep).join("/"));
    const pages = files.filter((file) => file.endsWith(".md"));
    check(pages.length > 10, `only ${pages.length} pages are installed`);
    for (const page of pages) {
      const lost = lostLinks(linksOf(readFileSync(join(folder, page), "utf8")), page, isAmong(files));
      check(lost.length === 0, `${page} has links to files that are not installed: ${lost.join(", ")}`);
    }
  });

  await step("asks for no newer C library than docs/platforms.md says", () => {
    if (process.platform !== "linux") return;
    const addon = join(modules, packageName, "overfill.node");
    const asked = [...readFileSync(addon, "latin1").matchAll(/GLIBC_2\.(\d+)/g)].map(([, minor]) => Number(minor));
    const [, promised] = /glibc 2\.(\d+) or newer/.exec(readFileSync(join(root, "docs", "platforms.md"), "utf8")) ?? [];
    check(Math.max(...asked) <= Number(promised), `it asks for glibc 2.${Math.max(...asked)}, not 2.${promised}`);
  });

  await step("weighs what the README says", () => {
    const bytes = filesBelow(modules).reduce((total, file) => total + statSync(file).size, 0);
    const loaded = importedModules(project);
    const megabytes = Math.round(bytes / 1e6);
    console.log(`   ${megabytes} MB, ${loaded.length} modules, import in ${importCost(project).toFixed(0)} ms`);
    check(loaded.length <= maximumModules, `import "overfill" loads ${loaded.length} modules`);
    for (const room of ["cli", "ai-sdk", "host", "server", "remote", "reader"])
      check(!loaded.some((url) => url.includes(`/dist/${room}/`)), `${room} loads with the package`);
    const [, told, count] =
      /about (\d+) MB in (\w+) packages/.exec(readFileSync(join(root, "README.md"), "utf8")) ?? [];
    // The libraries of other platforms have other sizes.
    if (thisPlatform !== "linux-x64") return;
    check(bytes <= maximumBytes, `${bytes} bytes are installed, more than ${maximumBytes}`);
    check(
      count === numberWords[packages.length],
      `${packages.length} packages are installed, the README says ${count}`,
    );
    check(Math.abs(Number(told) - megabytes) <= 1, `${megabytes} MB are installed, the README says ${told}`);
  });

  await step("answers the demo prompt by import, require and import() from CommonJS", () => {
    for (const file of ["demo.mjs", "demo.cjs", "dynamic.cjs"]) checkAnswer(node([file], { cwd: project }));
  });

  await step("imports overfill/ai-sdk, which needs no package of the SDK, and answers through it", () => {
    const text = `import { demoPair, loadPair } from "overfill";
      import { createOverfill } from "overfill/ai-sdk";
      const pair = await loadPair(demoPair);
      const provider = createOverfill({ models: { small: { pair, template: "chatml" } } });
      const prompt = [{ role: "user", content: [{ type: "text", text: "Hello" }] }];
      const overfill = { grammar: 'root ::= "Good day."' };
      const { content } = await provider("small").doGenerate({ prompt, providerOptions: { overfill } });
      await pair.dispose();
      console.log(JSON.stringify(content));`;
    const [part] = evaluate(project, text);
    check(part?.text === "Good day.", `got ${JSON.stringify(part)}`);
  });

  await step("answers from a process of its own by overfill/host, and ends with it", () => {
    const text = `import { demoPair, demoPrompt } from "overfill";
      import { loadPairInHost } from "overfill/host";
      const pair = await loadPairInHost(demoPair);
      const session = await pair.createSession();
      const { tokens } = await session.generate(demoPrompt, { temperature: 0, maxTokens: 8 });
      console.log(JSON.stringify(tokens.length));
      await pair.dispose();`;
    check(evaluate(project, text) === 8, "the host wrote something else than 8 tokens");
  });

  await step("lends its devices by `overfill rpc-server`, and reads a prompt on them through the tunnel", () => {
    const text = `import { spawn, spawnSync } from "node:child_process";
      import { on } from "node:events";
      import { demoPair, demoPrompt } from "overfill";
      import { loadPairInHost } from "overfill/host";
      const command = "node_modules/overfill/dist/cli/main.js";
      spawnSync(process.execPath, [command, "rpc-key", "-o", "packed.key"]);
      const args = [command, "rpc-server", "--listen", "127.0.0.1:0", "--key", "packed.key", "--gpu", "off"];
      const server = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "pipe"] });
      let told = "";
      for await (const [data] of on(server.stderr, "data", { close: ["end"] })) if (/rpcs:/.test((told += data))) break;
      const [url] = /rpcs:[^ ]+/.exec(told) ?? [];
      const prefill = { ...demoPair.prefill, devices: [{ url, key: "packed.key" }] };
      const pair = await loadPairInHost({ ...demoPair, prefill, gpu: false });
      const session = await pair.createSession();
      const { text } = await session.generate(demoPrompt, { temperature: 0 });
      await pair.dispose();
      server.kill();
      console.log(JSON.stringify(text));`;
    const answer = evaluate(project, text);
    check(answer?.startsWith(" 3 gray lamps"), `got ${answer}`);
  });

  await step("imports overfill/server, which needs nothing else installed, and is asked over HTTP", () => {
    const text = `import { demoPair, demoPrompt, loadPair } from "overfill";
      import { serve } from "overfill/server";
      const pair = await loadPair(demoPair);
      const server = await serve({ models: { demo: pair }, port: 0 });
      const body = JSON.stringify({ prompt: demoPrompt, temperature: 0 });
      const response = await fetch(server.url + "/v1/completions", { method: "POST", body });
      const { choices } = await response.json();
      await server.close();
      await pair.dispose();
      console.log(JSON.stringify(choices));`;
    const [choice] = evaluate(project, text);
    check(choice?.text?.startsWith(" 3 gray lamps"), `got ${JSON.stringify(choice)}`);
  });

  await step("answers the demo prompt on the command line, and passes doctor", () => {
    const bin = join(modules, ".bin", onWindows ? "overfill.cmd" : "overfill");
    for (const [words, ...args] of [
      ["overfill suggest"],
      ["3 gray lamps", "run"],
      ["Everything works.", "doctor"],
      ["This machine", "suggest"],
    ])
      check(run(bin, args, { cwd: project, shell: onWindows }).includes(words), `overfill ${args.join(" ")} failed`);
  });

  await step(
    "without the platform package, with another version of it, and without the libraries: says what to install",
    () => {
      const { version } = JSON.parse(readFileSync(join(modules, packageName, "package.json"), "utf8"));
      const hidden = (name, code, word) => {
        const aside = join(work, "aside");
        renameSync(join(modules, name), aside);
        try {
          checkRefusal(node(["demo.mjs"], { cwd: project }), code, word);
        } finally {
          renameSync(aside, join(modules, name));
        }
      };
      hidden(packageName, "ERR_BINDING_MISSING", `npm install ${packageName}@${version}`);
      hidden(libraries, "ERR_PLATFORM_PACKAGE_MISSING", `npm install ${libraries}@`);
    },
  );

  await step("installs where the platform package is not to be had, and then says which", () => {
    const other = makeProject("unbuilt", { "demo.mjs": program.esm });
    npmInstall(other, tarballs.main);
    checkRefusal(
      node(["demo.mjs"], { cwd: other }),
      "ERR_BINDING_MISSING",
      `npm install ${packageName}@`,
      "npm ci && npm pack",
    );
  });

  return project;
}
