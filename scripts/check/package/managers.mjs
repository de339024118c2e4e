/** The package in the layouts of pnpm and of Yarn Plug'n'Play, and in an app that has another node-llama-cpp. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { platforms, thisPlatform } from "../../release/platforms.mjs";
import { checkAnswer, makeProject, node, npmInstall, program, run, step, work } from "./work.mjs";

const { packageName, libraries } = platforms[thisPlatform];

export async function checkManagers(tarballs) {
  const platformTarball = `file:${tarballs.platforms[thisPlatform]}`;
  const dependencies = { overfill: `file:${tarballs.main}` };
  const files = { "demo.mjs": program.esm, "demo.cjs": program.cjs };
  const tools = makeProject("managers");
  const tool = (...path) => join(tools, "node_modules", ...path);

  await step("installs pnpm and Yarn", () => npmInstall(tools, "pnpm@10.34.8", "@yarnpkg/cli-dist@4.18.1"));

  await step("pnpm", () => {
    const project = makeProject("pnpm", files, {
      dependencies,
      pnpm: { overrides: { [packageName]: platformTarball } },
    });
    node([tool("pnpm", "bin", "pnpm.cjs"), "install", "--prefer-offline"], { cwd: project });
    for (const file of Object.keys(files)) checkAnswer(node([file], { cwd: project }));
  });

  await step("Yarn Plug'n'Play", () => {
    const project = makeProject("yarn", files, { dependencies, resolutions: { [packageName]: platformTarball } });
    const settings = [
      "nodeLinker: pnp",
      "enableTelemetry: false",
      "enableGlobalCache: false",
      `globalFolder: ${join(work, "yarn-home")}`,
    ];
    writeFileSync(join(project, ".yarnrc.yml"), `${settings.join("\n")}\n`);
    writeFileSync(join(project, "yarn.lock"), "");
    const yarn = (...args) =>
      node([tool("@yarnpkg", "cli-dist", "bin", "yarn.js"), ...args], { cwd: project, env: { CI: "" } });
    yarn("install");
    checkAnswer(yarn("node", "demo.mjs"));
    yarn("overfill", "doctor");
  });

  await step("npm, in an app with another node-llama-cpp and another version of llama.cpp's libraries", () => {
    const other = makeProject("other-version", {}, { name: libraries, version: "3.0.0" });
    const neighbour = makeProject(
      "neighbour",
      {},
      { name: "node-llama-cpp", version: "3.0.0", optionalDependencies: { [libraries]: "3.0.0" } },
    );
    const project = makeProject("beside", files);
    const packed = [other, neighbour].map((folder) =>
      join(folder, run("npm", ["pack", "--silent"], { cwd: folder }).trim()),
    );
    npmInstall(project, ...packed, tarballs.main, tarballs.platforms[thisPlatform]);
    checkAnswer(node(["demo.mjs"], { cwd: project }));
  });
}
