/** The public face of the errors: a leaf that imports nothing else of the package. */
import type { CodesOf } from "./types.js";

export {
  BindingError,
  ContextOverflowError,
  DisposedError,
  FileError,
  HostError,
  InferenceError,
  InvalidArgumentError,
  ModelError,
  OverfillError,
  PairError,
  PruneError,
  QueueError,
  RemoteError,
  SavedSessionError,
  StageError,
  TrainingError,
  TranslatorError,
} from "./classes.js";
export type { ErrorDetails, ErrorJson, ErrorOf, ErrorWithCode, OverfillErrorCode } from "./types.js";

export type ModelErrorCode = CodesOf<"ModelError">;
export type PairErrorCode = CodesOf<"PairError">;
export type TranslatorErrorCode = CodesOf<"TranslatorError">;
export type PruneErrorCode = CodesOf<"PruneError">;
export type TrainingErrorCode = CodesOf<"TrainingError">;
export type FileErrorCode = CodesOf<"FileError">;
export type SavedSessionErrorCode = CodesOf<"SavedSessionError">;
export type StageErrorCode = CodesOf<"StageError">;
export type QueueErrorCode = CodesOf<"QueueError">;
export type InferenceErrorCode = CodesOf<"InferenceError">;
export type HostErrorCode = CodesOf<"HostError">;
export type RemoteErrorCode = CodesOf<"RemoteError">;
export type BindingErrorCode = CodesOf<"BindingError">;
