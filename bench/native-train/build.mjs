/** Builds the program of training's limits and prints where it and the back ends are, as JSON. */
import { fileURLToPath } from "node:url";
import { buildProgram } from "../build-program.mjs";

console.log(JSON.stringify(buildProgram(fileURLToPath(new URL(".", import.meta.url)), "native-train")));
