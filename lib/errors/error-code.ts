/** The stable codes of every error that the package throws, grouped by the class that carries them. */

/** Codes of {@link ModelError}. */
export type ModelErrorCode =
  /** There is no file at the path. */
  | "ERR_MODEL_NOT_FOUND"
  /** The path is a directory or another thing that is not a regular file. */
  | "ERR_MODEL_NOT_A_FILE"
  /** The file is no GGUF file, or a damaged one. */
  | "ERR_MODEL_INVALID"
  /** A sound GGUF file of a kind that cannot write text here: a vocabulary, an embedding model, an unknown architecture. */
  | "ERR_MODEL_UNSUPPORTED"
  /** llama.cpp refused the model although its structure is sound. */
  | "ERR_MODEL_LOAD_FAILED";

/** Codes of {@link PairError}. */
export type PairErrorCode =
  /** The two models cannot work together; `details` names the fields that differ. */
  | "ERR_PAIR_INCOMPATIBLE"
  /** The two models could work together, but not by the handover that was asked for. */
  | "ERR_HANDOVER_UNAVAILABLE";

/** Codes of {@link TranslatorError}. */
export type TranslatorErrorCode =
  /** The file is no translator, a damaged one, or one of another version. */
  | "ERR_TRANSLATOR_INVALID"
  /** The translator was made for other models; `details` names what differs. */
  | "ERR_TRANSLATOR_MISMATCH";

/** Codes of {@link PruneError}. */
export type PruneErrorCode =
  /** The model is of a kind that cannot be pruned: another architecture, a mixture of experts, unknown tensors. */
  | "ERR_PRUNE_UNSUPPORTED"
  /** The model was pruned before; prune the one it was made from. */
  | "ERR_ALREADY_PRUNED"
  /** The file holds no importance, or is damaged. */
  | "ERR_IMPORTANCE_INVALID"
  /** The importance was measured on another model. */
  | "ERR_IMPORTANCE_MISMATCH";

/** Codes of {@link TrainingError}. */
export type TrainingErrorCode =
  /** The loss or a gradient is no finite number any more; the last checkpoint is whole. */
  | "ERR_TRAINING_DIVERGED"
  /** The checkpoint is damaged, or of a training with other options or files. */
  | "ERR_CHECKPOINT_INVALID"
  /** The device to train on lacks an operation; `details` has `operation` and `device`. The CPU has all. */
  | "ERR_OPERATION_UNSUPPORTED";

/** Codes of {@link FileError}. */
export type FileErrorCode =
  /** A file that is no model, such as a text, is not there or cannot be read. */
  | "ERR_FILE_READ_FAILED"
  /** A file cannot be written: the folder is not there, is closed to this process, or the disk is full. */
  | "ERR_FILE_WRITE_FAILED"
  /** A data file is damaged, or holds nothing that can be used; `details` names the line. */
  | "ERR_DATA_INVALID";

/** Codes of {@link StageError}. */
export type StageErrorCode =
  /** A stage was called before the one that must come first. */
  | "ERR_STAGE_ORDER"
  /** Another stage of the same session is still running. */
  | "ERR_SESSION_BUSY"
  /** A stream was iterated a second time. */
  | "ERR_STREAM_CONSUMED"
  /** The pair has no place for one more session. */
  | "ERR_SESSION_LIMIT";

/** Codes of {@link InferenceError}. */
export type InferenceErrorCode =
  /** The grammar cannot be parsed. */
  | "ERR_GRAMMAR_INVALID"
  /** llama.cpp failed to evaluate a batch. */
  | "ERR_INFERENCE_FAILED"
  /** Memory for a model, a cache or a batch could not be had. */
  | "ERR_OUT_OF_MEMORY"
  /** A fault of this package; please report it. */
  | "ERR_INTERNAL";

/** Codes of {@link BindingError}. */
export type BindingErrorCode =
  /** No llama.cpp libraries exist for this operating system, processor or C library. */
  | "ERR_PLATFORM_UNSUPPORTED"
  /** The platform package with llama.cpp's libraries is not installed. */
  | "ERR_PLATFORM_PACKAGE_MISSING"
  /** The package has no native addon for this platform and none was built. */
  | "ERR_BINDING_MISSING"
  /** The addon or one of llama.cpp's libraries could not be loaded. */
  | "ERR_BINDING_LOAD_FAILED"
  /** llama.cpp is of another version than the one compiled against. */
  | "ERR_LLAMA_VERSION_MISMATCH"
  /** A different build of one of llama.cpp's libraries is in the process already. */
  | "ERR_LIBRARY_CONFLICT"
  /** The GPU back end that was asked for cannot be had. */
  | "ERR_GPU_UNAVAILABLE";

/** Every code. Codes are stable: one is never given another meaning. */
export type OverfillErrorCode =
  /** An option or argument is of the wrong kind or out of range. */
  | "ERR_INVALID_ARGUMENT"
  /** The prompt, or the prompt and the answer so far, do not fit into the context. */
  | "ERR_CONTEXT_OVERFLOW"
  /** The object was disposed, or was disposed while the call ran. */
  | "ERR_DISPOSED"
  | ModelErrorCode
  | PairErrorCode
  | TranslatorErrorCode
  | PruneErrorCode
  | TrainingErrorCode
  | FileErrorCode
  | StageErrorCode
  | InferenceErrorCode
  | BindingErrorCode;
