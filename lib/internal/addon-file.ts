/** Finds the addon's file and what was noted beside it when it was built. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { packageRoot, readJson, unpackedPath } from "./package-files.js";
import { platformName } from "./platform.js";

/** The version of llama.cpp that the prebuilt addons are compiled against. */
const prebuiltLlamaVersion = "0.5.0";

/** The addon's file. */
export interface AddonFile {
  readonly path: string;
  /** "source": llama.cpp is linked into the addon, and no platform package is needed. */
  readonly llamaOrigin: "prebuilt" | "source";
  /** The version of llama.cpp that it was compiled against. */
  readonly llamaVersion: string;
}

/** Where an addon may be, best first: one built here wins over one that came with the package. */
export function addonPaths(): readonly string[] {
  return [join("build", "Release"), join("prebuilds", platformName())].map((folder) =>
    unpackedPath(join(packageRoot, folder, "overfill.node")),
  );
}

/** Undefined if there is none for this platform. */
export function findAddon(): AddonFile | undefined {
  const path = addonPaths().find((candidate) => existsSync(candidate));
  if (path === undefined) return undefined;
  // A prebuild comes without a description.
  const description = readJson(path.replace(/\.node$/, ".json")) as
    | { readonly llama?: string; readonly llamaVersion?: string }
    | undefined;
  return {
    path,
    llamaOrigin: description?.llama === "source" ? "source" : "prebuilt",
    llamaVersion: description?.llamaVersion ?? prebuiltLlamaVersion,
  };
}
