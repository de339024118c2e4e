/**
 * Packs the package as it would be published, installs the tarball into an empty project with `--ignore-scripts`, and
 * uses it there: the API and the command line on the demo pair, the refusals without an addon and without a platform
 * package, and the checks of publint and are-the-types-wrong.
 *
 * Needs dist/ (npm run build:ts) and the tools of the native build. Fetches the run-time dependencies with npm.
 */
import { spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const platform = `${process.platform}-${process.arch}`;
const work = realpathSync(mkdtempSync(join(tmpdir(), "overfill-packed-")));
const onWindows = process.platform === "win32";

/** Runs a program and returns its standard output; fails with all of its output. */
function run(program, args, options = {}) {
  const result = spawnSync(program, args, {
    cwd: work,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    ...options,
  });
  if (result.status !== 0)
    throw new Error(
      `${program} ${args.join(" ")} ended with ${result.status}\n${result.stdout}\n${result.stderr ?? result.error}`,
    );
  return result.stdout;
}

const npm = (args, options) => run(onWindows ? "npm.cmd" : "npm", args, { shell: onWindows, ...options });
const node = (args, options) => run(process.execPath, args, options);

function step(title, body) {
  body();
  console.log(`ok ${title}`);
}

function check(condition, message) {
  if (!condition) throw new Error(message);
}

/** Runs a module's text in the project and returns the object that it prints. */
function evaluate(project, text) {
  const file = join(project, "check.mjs");
  writeFileSync(file, text);
  return JSON.parse(node([file], { cwd: project }));
}

function pack() {
  const staging = join(work, "staging");
  mkdirSync(staging);
  // What is published, and nothing that a checkout has besides.
  for (const name of readdirSync(root))
    if (!["build", "node_modules", "prebuilds", ".git"].includes(name))
      cpSync(join(root, name), join(staging, name), { recursive: true });
  const prebuilds = join(staging, "prebuilds", platform);
  node([join(root, "scripts", "build", "native.mjs"), "--output", prebuilds], {
    cwd: root,
    env: { ...process.env, OVERFILL_LLAMA: "prebuilt", OVERFILL_SANITIZE: "" },
  });
  // prebuildify brings the addon alone.
  rmSync(join(prebuilds, "overfill.json"));
  npm(["pack", "--ignore-scripts", "--pack-destination", work], { cwd: staging });
  const tarball = readdirSync(work).find((name) => name.endsWith(".tgz"));
  return join(work, tarball);
}

function install(tarball) {
  const project = join(work, "project");
  mkdirSync(project);
  writeFileSync(join(project, "package.json"), JSON.stringify({ name: "project", private: true, type: "module" }));
  npm(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", tarball], { cwd: project });
  return project;
}

/** What `loadBinding` says in the project, through the public API. */
const refusal = `
  import { demoPair, loadPair, OverfillError } from "overfill";
  try {
    await loadPair(demoPair);
    console.log(JSON.stringify({ code: "none" }));
  } catch (error) {
    console.log(JSON.stringify({ code: error.code, message: error.message, known: OverfillError.isInstance(error) }));
  }`;

function checkRefusal(project, hidden, code) {
  const folder = join(project, "node_modules", hidden);
  const aside = join(work, "aside");
  renameSync(folder, aside);
  try {
    const found = evaluate(project, refusal);
    check(found.code === code && found.known, `expected ${code}, got ${JSON.stringify(found)}`);
  } finally {
    renameSync(aside, folder);
  }
}

/** The platform package that is installed in the project, such as "@node-llama-cpp/linux-x64". */
function platformPackage(project) {
  const { describe } = evaluate(
    project,
    `import { createRequire } from "node:module";
     import { dirname, join } from "node:path";
     import { pathToFileURL } from "node:url";
     const entry = createRequire(import.meta.url).resolve("overfill/package.json");
     const { describeBinding } = await import(pathToFileURL(join(dirname(entry), "dist/internal/load-binding.js")));
     console.log(JSON.stringify({ describe: describeBinding() }));`,
  );
  check(describe.platformPackage !== undefined, "the platform package was not installed");
  return describe.platformPackage.name;
}

try {
  check(existsSync(join(root, "dist", "index.js")), "dist/ is missing: run `npm run build:ts`");
  const tarball = pack();
  const project = install(tarball);

  step("brings no build tool and no GPU package", () => {
    const packages = readdirSync(join(project, "node_modules"));
    for (const name of ["node-llama-cpp", "cmake-js", "typescript"])
      check(!packages.includes(name), `${name} was installed`);
    const gpu = readdirSync(join(project, "node_modules", "@node-llama-cpp")).filter((name) =>
      /cuda|vulkan/.test(name),
    );
    check(gpu.length === 0, `${gpu} was installed`);
  });

  step("answers the demo prompt in two stages through the API", () => {
    const answer = evaluate(
      project,
      `import { demoPair, demoPrompt, loadPair } from "overfill";
       const pair = await loadPair(demoPair);
       const session = await pair.createSession();
       await session.prefill(demoPrompt);
       const { kind } = await session.switch();
       let text = "";
       for await (const chunk of session.decode({ maxTokens: 32, temperature: 0 })) text += chunk.text;
       await session.dispose();
       await pair.dispose();
       console.log(JSON.stringify({ kind, text }));`,
    );
    check(
      answer.kind === "share" && answer.text.startsWith(" 3 gray lamps , 12 red kites"),
      `got ${JSON.stringify(answer)}`,
    );
  });

  step("answers the demo prompt on the command line", () => {
    const bin = join(project, "node_modules", ".bin", onWindows ? "overfill.cmd" : "overfill");
    const answer = run(bin, ["run"], { cwd: project, shell: onWindows });
    check(answer.includes("3 gray lamps"), `got ${JSON.stringify(answer)}`);
  });

  step("refuses without an addon", () => checkRefusal(project, "overfill/prebuilds", "ERR_BINDING_MISSING"));
  step("refuses without the platform package", () =>
    checkRefusal(project, platformPackage(project), "ERR_PLATFORM_PACKAGE_MISSING"),
  );

  const tool = (...path) => join(root, "node_modules", ...path);
  step("publint is content", () => node([tool("publint", "src", "cli.js"), tarball, "--strict"]));
  step("the types resolve for ES modules", () =>
    node([tool("@arethetypeswrong", "cli", "dist", "index.js"), tarball, "--profile", "esm-only"]),
  );
} finally {
  rmSync(work, { recursive: true, force: true });
}
