/**
 * The classes of errors, made from the table.
 *
 * `instanceof` fails when two copies of the package are installed, or when an error comes from another realm. So each class
 * marks its instances under a symbol of the global registry, and `isInstance` looks for that mark. An error that ended a
 * worker arrives without its prototype, but with its name, code and details: it is known by these.
 */

import { causeFromJson, errorToJson, isError, isErrorJson, isObject } from "./error-json.js";
import { errorTable } from "./error-table.js";
import type { BaseErrorClass, CodesOf, ErrorClass, ErrorJson, ErrorName, ErrorOf, OverfillErrorCode } from "./types.js";

const markOf = (name: string) => Symbol.for(name === "OverfillError" ? "overfill.error" : `overfill.error.${name}`);

/** The class of each code. */
const names = new Map<string, ErrorName>(
  Object.entries(errorTable).flatMap(([name, rows]) => Object.keys(rows).map((code) => [code, name as ErrorName])),
);

/** Puts what all instances have in common on the prototype, where a `catch` or a log does not show it. */
function define(type: { readonly prototype: object }, name: string): void {
  Object.defineProperty(type, "name", { value: name });
  Object.defineProperty(type.prototype, "name", { value: name, configurable: true, writable: true });
  Object.defineProperty(type.prototype, markOf(name), { value: true });
}

function isInstanceOf(error: unknown, name: ErrorName | "OverfillError"): boolean {
  if (!isObject(error)) return false;
  if ((error as Readonly<Record<symbol, unknown>>)[markOf(name)] === true) return true;
  const { code, details, name: own } = error;
  const known = isError(error) && typeof code === "string" && isObject(details) ? names.get(code) : undefined;
  return known !== undefined && own === known && (name === "OverfillError" || name === known);
}

class Base extends Error {
  readonly code: string;
  readonly details: object;

  constructor(code: string, message: string, details: object = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.details = details;
  }

  toJSON(): ErrorJson {
    return errorToJson(this);
  }

  static isInstance(error: unknown): boolean {
    return isInstanceOf(error, "OverfillError");
  }

  static fromJSON(json: unknown): Error {
    if (!isErrorJson(json)) {
      const [parameter, expected, actual] = ["json", "expected what an error's toJSON returns", typeof json];
      const details = { parameter, expected, actual };
      throw new InvalidArgumentError("ERR_INVALID_ARGUMENT", `${parameter}: ${expected}; got ${actual}`, details);
    }
    return restore(json);
  }
}

define(Base, "OverfillError");

/** The class of the table's row `name`. */
function classOf<Name extends ErrorName>(name: Name): ErrorClass<CodesOf<Name> & OverfillErrorCode> {
  const made = class extends Base {
    static override isInstance(error: unknown): boolean {
      return isInstanceOf(error, name);
    }
  };
  define(made, name);
  return made as unknown as ErrorClass<CodesOf<Name> & OverfillErrorCode>;
}

/**
 * An error of this package. Branch on `code`, which says what `details` holds, or on the class with `isInstance`.
 * The base class of all of them.
 */
export const OverfillError = Base as unknown as BaseErrorClass;
/** An error of this package: a union of one type for each code, so that a check of `code` gives `details` its type. */
export type OverfillError = ErrorOf<OverfillErrorCode>;

/** An argument is of the wrong kind or out of range. `details` holds `parameter`, `expected` and `actual`. */
export const InvalidArgumentError = classOf("InvalidArgumentError");
export type InvalidArgumentError = ErrorOf<CodesOf<"InvalidArgumentError">>;

/** The tokens do not fit into the context. What the session held before the call is still there. */
export const ContextOverflowError = classOf("ContextOverflowError");
export type ContextOverflowError = ErrorOf<CodesOf<"ContextOverflowError">>;

/** The object was disposed before the call, or while it ran. */
export const DisposedError = classOf("DisposedError");
export type DisposedError = ErrorOf<CodesOf<"DisposedError">>;

/** A model's file cannot be used. */
export const ModelError = classOf("ModelError");
export type ModelError = ErrorOf<CodesOf<"ModelError">>;

/** Two models cannot work together, or not in the way that was asked for. */
export const PairError = classOf("PairError");
export type PairError = ErrorOf<CodesOf<"PairError">>;

/** A translator's file cannot be used for the pair. */
export const TranslatorError = classOf("TranslatorError");
export type TranslatorError = ErrorOf<CodesOf<"TranslatorError">>;

/** A model cannot be pruned, or not with this importance. */
export const PruneError = classOf("PruneError");
export type PruneError = ErrorOf<CodesOf<"PruneError">>;

/** A training cannot go on. */
export const TrainingError = classOf("TrainingError");
export type TrainingError = ErrorOf<CodesOf<"TrainingError">>;

/** A file that is not a model could not be read or written. */
export const FileError = classOf("FileError");
export type FileError = ErrorOf<CodesOf<"FileError">>;

/** A saved session cannot be restored. The file is as it was. */
export const SavedSessionError = classOf("SavedSessionError");
export type SavedSessionError = ErrorOf<CodesOf<"SavedSessionError">>;

/** A stage was called out of order, or while another ran. */
export const StageError = classOf("StageError");
export type StageError = ErrorOf<CodesOf<"StageError">>;

/** A call for a session could not wait for a place, or not any longer. It can be made again. */
export const QueueError = classOf("QueueError");
export type QueueError = ErrorOf<CodesOf<"QueueError">>;

/** Something failed at run time, inside llama.cpp or on the way to it. */
export const InferenceError = classOf("InferenceError");
export type InferenceError = ErrorOf<CodesOf<"InferenceError">>;

/** The process that a pair runs in cannot do what was asked for, or is gone. */
export const HostError = classOf("HostError");
export type HostError = ErrorOf<CodesOf<"HostError">>;

/** Another machine's devices cannot be used: not there, not the right ones, or not with this key. */
export const RemoteError = classOf("RemoteError");
export type RemoteError = ErrorOf<CodesOf<"RemoteError">>;

/** The native addon or llama.cpp's libraries cannot be loaded. The message says what to do about it. */
export const BindingError = classOf("BindingError");
export type BindingError = ErrorOf<CodesOf<"BindingError">>;

const classes: Readonly<Record<ErrorName, unknown>> = {
  InvalidArgumentError,
  ContextOverflowError,
  DisposedError,
  ModelError,
  PairError,
  TranslatorError,
  PruneError,
  TrainingError,
  FileError,
  SavedSessionError,
  StageError,
  QueueError,
  InferenceError,
  HostError,
  RemoteError,
  BindingError,
};

/** An error of the class that carries `code`. An unknown code gives ERR_INTERNAL with the code in `details`. */
export function errorOfCode(code: string, message: string, details: object = {}, cause?: unknown): OverfillError {
  const name = names.get(code);
  const [known, told] = name === undefined ? ["ERR_INTERNAL", { ...details, code }] : [code, details];
  const type = classes[name ?? "InferenceError"] as new (...args: ConstructorParameters<typeof Base>) => unknown;
  return new type(known, message, told, cause) as OverfillError;
}

function restore({ code = "ERR_INTERNAL", message, details, stack, cause }: ErrorJson): OverfillError {
  const error = errorOfCode(code, message, details, causeFromJson(cause, restore));
  if (stack !== undefined) error.stack = stack;
  return error;
}
