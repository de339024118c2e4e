/**
 * Packages of npm that are nothing but texts to the reproduction. They are no dependencies of this one: each brings a hundred
 * others for code that is not wanted here, which everybody who clones the repository would install.
 */

import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

export interface TextPackage {
  readonly name: string;
  readonly version: string;
  /** As in a lock file. */
  readonly integrity: string;
}

const run = promisify(execFile);

/** Downloads a package into a folder of `folder`, unless it is there, and gives that folder. */
export async function fetchPackage({ name, version, integrity }: TextPackage, folder: string): Promise<string> {
  const target = join(folder, `${name.replace(/^@/, "").replace("/", "-")}-${version}`);
  if (existsSync(target)) return target;
  await mkdir(folder, { recursive: true });
  const temporary = await mkdtemp(join(folder, "download-"));
  try {
    const npm = process.platform === "win32" ? "npm.cmd" : "npm";
    const { stdout } = await run(npm, ["pack", `${name}@${version}`, "--json", "--pack-destination", temporary], {
      shell: process.platform === "win32",
    });
    const [{ filename }] = JSON.parse(stdout) as [{ filename: string }];
    // npm before version 10 tells the name with its scope.
    const archive = join(temporary, filename.replace(/^@/, "").replace("/", "-"));
    const found = `sha512-${createHash("sha512")
      .update(await readFile(archive))
      .digest("base64")}`;
    if (found !== integrity) throw new Error(`${name}@${version} is not the package that was expected: ${found}`);
    await run("tar", ["-xzf", archive, "-C", temporary]);
    await rename(join(temporary, "package"), target);
  } finally {
    await rm(temporary, { recursive: true });
  }
  return target;
}
