/** The files of a training as paths, none of which may be written over by another. */

import { resolve } from "node:path";
import { refusedArgument, toPath } from "../internal/check-options.js";
import type { HealPaths } from "./native-options.js";
import type { CheckedHealOptions } from "./validation.js";

type Names = Readonly<Record<string, string>>;

/** Throws ERR_INVALID_ARGUMENT for a URL that is not a file: URL, and for a file given for two purposes. */
export function pathsOf(options: CheckedHealOptions): HealPaths & { readonly full: string; readonly student: string } {
  const given = (file: string | URL | undefined, name: string) =>
    file === undefined ? "" : toPath(file, `options.${name}`);
  const read = {
    student: toPath(options.student.model, "options.student"),
    full: given(options.full?.model, "full"),
    data: toPath(options.data, "options.data"),
    evalData: given(options.evalData, "evalData"),
    translator: given(options.translator, "translator"),
  };
  const out = toPath(options.out, "options.out");
  const readerOut = given(options.readerOut, "readerOut");
  const translatorOut = given(options.translatorOut, "translatorOut");
  const checkpoint = given(options.checkpoint, "checkpoint");
  const log = given(options.log, "log");
  const written = { out, readerOut, translatorOut, checkpoint: checkpoint || `${out}.checkpoint`, log };
  for (const [name, file] of named(written)) refuseShared(name, file, { ...read, ...written });
  return { ...read, out, readerOut, translatorOut, checkpoint, log };
}

const named = (files: Names) => Object.entries(files).filter(([, file]) => file !== "");

/** That no other of the files is this one, which is written. */
function refuseShared(name: string, file: string, all: Names): void {
  const other = named(all).find(([each, path]) => each !== name && resolve(path) === resolve(file));
  if (other) throw refusedArgument(`options.${name}`, `expected a file other than ${other[0]}`, file);
}
