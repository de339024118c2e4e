// Resolves "electron" to the stand-in beside this file, as a program of Electron's main process finds the real one.
import { register } from "node:module";

const standIn = new URL("./fake-electron.mjs", import.meta.url).href;
const hooks = `export const resolve = (specifier, context, next) =>
  specifier === "electron" ? { url: ${JSON.stringify(standIn)}, shortCircuit: true } : next(specifier, context);`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);
