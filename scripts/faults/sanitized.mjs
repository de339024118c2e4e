/**
 * `npm run test:sanitized`: the addon in Node, built with OVERFILL_SANITIZE (CONTRIBUTING.md, Sanitizers).
 *
 *     OVERFILL_SANITIZE=address,undefined npm run build:native
 *     npm run test:sanitized                                    does everything once (smoke.ts)
 *     npm run test:sanitized -- scripts/faults/main.ts --only mutants --minutes 10
 *
 * Node itself is not built so: the sanitizers' libraries have to be there before it. Linux.
 */

import { execFileSync, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fail, root } from "../build/package-root.mjs";

/** The sanitizers' libraries that the addon asks for, as the compiler that it was built with finds them. */
function librariesOf(addon) {
  const needed = execFileSync("readelf", ["--dynamic", addon], { encoding: "utf8" });
  const names = [...needed.matchAll(/\[(lib(?:asan|ubsan|clang_rt)\S*)\]/g)].map(([, name]) => name);
  if (names.length === 0)
    fail(`${addon} was built without a sanitizer: OVERFILL_SANITIZE=address npm run build:native`);
  return names.map((name) => {
    const compilers = name.startsWith("libclang") ? [process.env.CXX, "clang", "clang-14"] : [process.env.CXX, "gcc"];
    for (const compiler of compilers) {
      if (!compiler) continue;
      const found = spawnSync(compiler, [`-print-file-name=${name}`], { encoding: "utf8" }).stdout?.trim();
      if (found && existsSync(found)) return found;
    }
    return fail(`${name} was not found; CXX names the compiler that the addon was built with`);
  });
}

const [program = "scripts/faults/smoke.ts", ...args] = process.argv.slice(2);
const { status, signal } = spawnSync(process.execPath, ["--import=tsx", program, ...args], {
  stdio: "inherit",
  env: {
    ...process.env,
    LD_PRELOAD: librariesOf(join(root, "build", "Release", "overfill.node")).join(" "),
    // What Node leaves at its end is none of ours; a mutant may ask for more memory than there is.
    ASAN_OPTIONS: "detect_leaks=0:allocator_may_return_null=1",
    UBSAN_OPTIONS: "halt_on_error=1:print_stacktrace=1",
  },
});
process.exitCode = signal === null ? (status ?? 1) : 1;
