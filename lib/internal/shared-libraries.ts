/**
 * Brings llama.cpp's libraries into the process, so that the addon finds them wherever the package manager has put them.
 *
 * The addon names them without a path and carries no search path of its own. The dynamic linkers of Linux and macOS are
 * content when a library of that name is in the process already. Node has no call to load a plain library, but
 * `process.dlopen` does it on the way: it maps the file, finds that it is no addon, and throws. With RTLD_NODELETE the
 * library stays.
 */
import { constants } from "node:os";
import { delimiter, join } from "node:path";
import { BindingError } from "../errors/index.js";
import { buildFromClone } from "./addon-file.js";
import { mappedState } from "./mapped-libraries.js";
import { llamaPackagesVersion } from "./versions.js";

const noDelete = process.platform === "darwin" ? 0x80 : 0x1000;
/** Resolves every symbol at once: a library that does not fit fails here and not in the middle of a call. */
const resolveNow = constants.dlopen.RTLD_NOW ?? 0;

/**
 * Maps the libraries of `directory`, in this order.
 *
 * @param mapped the libraries in the process
 * @throws BindingError ERR_LIBRARY_CONFLICT, ERR_BINDING_LOAD_FAILED
 */
export function mapLibraries(directory: string, files: readonly string[], mapped: readonly string[]): void {
  for (const file of files) {
    const path = join(directory, file);
    const found = mappedState(path, mapped);
    if (found.state === "conflict") {
      throw new BindingError(
        "ERR_LIBRARY_CONFLICT",
        `a different ${file} is already loaded in this process (${found.path}), and only one can be. ` +
          `Another package has loaded another build of llama.cpp: use node-llama-cpp ${llamaPackagesVersion}, which brings ` +
          "the same one, or run one of the two in a process of its own.",
        { library: file, loaded: found.path, wanted: path },
      );
    }
    // Windows finds them by the PATH, and a second copy of an equal library would not be the one that is used.
    if (found.state === "absent" && process.platform !== "win32") mapLibrary(path);
  }
}

function mapLibrary(path: string): void {
  try {
    process.dlopen({ exports: {} }, path, resolveNow | noDelete);
  } catch (error) {
    // The library is mapped all the same, and is no addon: so Node.js says it, and Bun.
    if (error instanceof Error && /did not self-register|napi_register_module_v1/.test(error.message)) return;
    throw loadFailure(path, error);
  }
}

/**
 * Loads the addon at `path`.
 *
 * @param directory where Windows looks for the libraries; "" if the addon needs none
 * @throws BindingError ERR_BINDING_LOAD_FAILED
 */
export function loadAddon(path: string, directory: string): unknown {
  const searchPath = process.env.PATH;
  const extendPath = process.platform === "win32" && directory !== "";
  if (extendPath) process.env.PATH = `${directory}${delimiter}${searchPath ?? ""}`;
  const addon: { exports: unknown } = { exports: {} };
  try {
    process.dlopen(addon, path, resolveNow);
  } catch (error) {
    throw loadFailure(path, error);
  } finally {
    if (extendPath && searchPath !== undefined) process.env.PATH = searchPath;
  }
  return addon.exports;
}

function loadFailure(path: string, cause: unknown): BindingError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const hint = /GLIBC|GLIBCXX|CXXABI/.test(reason)
    ? " This system's C or C++ library is too old for the prebuilt files. Build llama.cpp too: with " +
      `OVERFILL_LLAMA=source in the environment, ${buildFromClone}`
    : "";
  return new BindingError("ERR_BINDING_LOAD_FAILED", `${path} could not be loaded: ${reason}.${hint}`, { path }, cause);
}
