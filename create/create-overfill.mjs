#!/usr/bin/env node
// `npm create overfill [folder] [-- flags]` is `overfill init` without an installed overfill.
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";

const manifest = createRequire(import.meta.url).resolve("overfill/package.json");
process.argv.splice(2, 0, "init");
await import(pathToFileURL(join(dirname(manifest), "dist", "cli", "main.js")).href);
