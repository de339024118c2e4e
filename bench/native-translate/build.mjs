/** Builds the timing program of the translate implementations and prints where it and the back ends are, as JSON. */
import { fileURLToPath } from "node:url";
import { buildProgram } from "../build-program.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
console.log(JSON.stringify(buildProgram(root, "translate-bench", { OVERFILL_BENCH: "ON" })));
