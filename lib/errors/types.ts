/** What the table of errors means for the compiler: codes, classes and details as types. */

import type { errorTable, Row } from "./error-table.js";

type ErrorTable = typeof errorTable;

/** The names of the error classes. */
export type ErrorName = keyof ErrorTable;

/** The codes of one class. */
export type CodesOf<Name extends ErrorName> = keyof ErrorTable[Name];

/** Every code. Codes are stable: one is never given another meaning. */
export type OverfillErrorCode = { readonly [Name in ErrorName]: CodesOf<Name> }[ErrorName];

/** The name of the class that carries a code. */
export type NameOf<Code extends OverfillErrorCode> = {
  readonly [Name in ErrorName]: Code extends CodesOf<Name> ? Name : never;
}[ErrorName];

/** Facts for programs, by code: paths, names, numbers, versions. */
export type ErrorDetails<Code extends OverfillErrorCode = OverfillErrorCode> = {
  readonly [Name in ErrorName]: Code extends CodesOf<Name>
    ? ErrorTable[Name][Code] extends Row<infer Details>
      ? Details
      : never
    : never;
}[ErrorName];

/** An error of this package with one code. {@link OverfillError} is the union of all of them: `code` tells them apart. */
export interface ErrorWithCode<Code extends OverfillErrorCode> extends Error {
  /** The name of its class. */
  readonly name: NameOf<Code>;
  /** What went wrong; stable between versions, unlike the message. */
  readonly code: Code;
  /** Facts for programs, of the kinds that the code has; empty if there are none. */
  readonly details: ErrorDetails<Code>;
  /**
   * The error as plain data, for `JSON.stringify`, `postMessage` and the like; `OverfillError.fromJSON` makes an error of
   * it again. The stack, which names files of this machine, is part of it.
   */
  toJSON(): ErrorJson;
}

/** One type for each of the codes, so that a check of `code` says what `details` holds. */
export type ErrorOf<Code extends OverfillErrorCode> = Code extends OverfillErrorCode ? ErrorWithCode<Code> : never;

/** An error as plain data: what `toJSON` gives and `fromJSON` takes. */
export interface ErrorJson {
  readonly name: string;
  readonly message: string;
  readonly code?: string;
  readonly details?: Readonly<Record<string, unknown>>;
  readonly stack?: string;
  /** An error as plain data, or a value as JSON has it. */
  readonly cause?: unknown;
}

/** A class of errors. */
export interface ErrorClass<Codes extends OverfillErrorCode> {
  /** @param cause the error that led to this one, if one did */
  new <Code extends Codes>(code: Code, message: string, details?: ErrorDetails<Code>, cause?: unknown): ErrorOf<Code>;
  readonly prototype: ErrorOf<Codes>;
  /**
   * Whether `error` is of this class, wherever it was made: by another copy of the package, in another realm (a context
   * of `node:vm`, a test runner's), or in a worker that ended with it. What `structuredClone` makes of an error has lost
   * its code and is not recognised: send `error.toJSON()` and use `OverfillError.fromJSON`.
   */
  isInstance(error: unknown): error is ErrorOf<Codes>;
}

/** The base of all classes of errors. */
export interface BaseErrorClass extends ErrorClass<OverfillErrorCode> {
  /**
   * The error that `toJSON` made plain data of, with class, code, details, stack and cause. A code that this version does
   * not know gives ERR_INTERNAL with the code in `details`. Throws ERR_INVALID_ARGUMENT for anything else.
   */
  fromJSON(json: unknown): ErrorOf<OverfillErrorCode>;
}
