/**
 * Every error of the package in one table: class, code, and what `details` holds under that code. The classes
 * (`classes.ts`, which says what each is for) and their types (`types.ts`) are made from it, so a new code is one new row here, and a row of
 * `native/base/failure.h` if native code throws it.
 *
 * Codes are stable: one is never given another meaning.
 */

/** The type of a row's details. It exists for the compiler only: no row has a value. */
export interface Row<Details> {
  readonly details?: Details;
}

/** A row whose details are `Details`. Without them: details are empty. */
const row = <Details = Readonly<Record<string, never>>>(): Row<Details> => ({});

/** A file that is named. */
interface WithPath {
  readonly path: string;
}

/** Facts that differ between two sides, by name, as `"one | the other"`. */
type Differences = Readonly<Record<string, string>>;

export const errorTable = {
  InvalidArgumentError: {
    /** An option or argument is of the wrong kind or out of range. */
    ERR_INVALID_ARGUMENT: row<{
      /** Such as `options.prefill.gpuLayers`. */
      readonly parameter?: string;
      /** Such as `expected "all" or a whole number from 0 to 1000000`. */
      readonly expected?: string;
      /** A short rendering of what came. */
      readonly actual?: string;
      /** The nearest name that would have been right, where one is near. */
      readonly suggestion?: string;
      /** The file that is meant, if one is. */
      readonly path?: string;
    }>(),
  },
  ContextOverflowError: {
    /** The prompt, or the prompt and the answer so far, do not fit into the context. */
    ERR_CONTEXT_OVERFLOW: row<{
      readonly promptTokens?: number;
      /** Tokens that the session held already. */
      readonly contextTokens?: number;
      readonly contextSize?: number;
      /** Of the longest response that is scored. */
      readonly responseTokens?: number;
      readonly tokens?: number;
    }>(),
  },
  DisposedError: {
    /** The object was disposed, or was disposed while the call ran. */
    ERR_DISPOSED: row(),
  },
  ModelError: {
    /** There is no file at the path. */
    ERR_MODEL_NOT_FOUND: row<WithPath>(),
    /** The path is a directory or another thing that is not a regular file. */
    ERR_MODEL_NOT_A_FILE: row<WithPath>(),
    /** The file is not a GGUF file, or a damaged one. */
    ERR_MODEL_INVALID: row<Partial<WithPath> & { readonly tensor?: string }>(),
    /**
     * A sound GGUF file of a kind that cannot write text here (a vocabulary, an embedding model, an unknown architecture),
     * or whose memory, told as `memory`, is not the KV cache that fitting and healing need.
     */
    ERR_MODEL_UNSUPPORTED: row<
      Partial<WithPath> & { readonly architecture?: string; readonly tensor?: string; readonly memory?: string }
    >(),
    /** llama.cpp refused the model although its structure is sound, or the system would not give the file. */
    ERR_MODEL_LOAD_FAILED: row<WithPath>(),
    /** The LoRA adapter was made for another model. `details` names what differs, and the file as `path`. */
    ERR_ADAPTER_MISMATCH: row<Differences>(),
  },
  PairError: {
    /** The two models cannot work together. `details` names the fields that differ. */
    ERR_PAIR_INCOMPATIBLE: row<Differences>(),
    /** The two models could work together, but not by the handover that was asked for. `details` says what stands against it. */
    ERR_HANDOVER_UNAVAILABLE: row<
      Readonly<Record<string, string | number | undefined>> & {
        /** The decode model's layer. */
        readonly layer?: number;
        readonly implementation?: string;
        readonly device?: string;
        readonly operation?: string;
        readonly reason?: string;
      }
    >(),
    /** The `overfill.json` of a folder is damaged, of another version, or has a key that there is not. */
    ERR_PAIR_FOLDER_INVALID: row<
      WithPath & { readonly reason: string /** Such as `decode.model`. */; readonly key?: string }
    >(),
  },
  TranslatorError: {
    /** The file is not a translator, a damaged one, or one of another version. */
    ERR_TRANSLATOR_INVALID: row<WithPath>(),
    /** The translator was made for other models. `details` names what differs. */
    ERR_TRANSLATOR_MISMATCH: row<Differences>(),
  },
  PruneError: {
    /** The model is of a kind that cannot be pruned: another architecture, a mixture of experts, unknown tensors. */
    ERR_PRUNE_UNSUPPORTED: row<Partial<WithPath> & { readonly architecture?: string }>(),
    /** The model was pruned before; prune the one it was made from. */
    ERR_ALREADY_PRUNED: row<WithPath>(),
    /** The file holds no importance (for pruning) or no importance matrix (for quantising), or is damaged. */
    ERR_IMPORTANCE_INVALID: row<WithPath>(),
    /** The importance was measured on another model. `details` names what differs, and the file as `path`. */
    ERR_IMPORTANCE_MISMATCH: row<Differences>(),
    /** No pair that can be made of this model is so fast or so small. */
    ERR_TARGET_UNREACHABLE: row<{
      /** The option that asks for it. */
      readonly target: "speedUp" | "targetSize" | "targetBytes";
      readonly asked: number;
      /** What can be had. */
      readonly reachable: number;
    }>(),
  },
  TrainingError: {
    /** The loss or a gradient is no longer a finite number; the last checkpoint is whole. */
    ERR_TRAINING_DIVERGED: row<{ readonly step?: number; readonly tensor?: string }>(),
    /** The checkpoint is damaged, or of a training with other options or files; so for answers that are to go on. */
    ERR_CHECKPOINT_INVALID: row<WithPath & { /** What differs: an option or a file. */ readonly fact?: string }>(),
    /** The device to train on lacks an operation. The CPU has all. */
    ERR_OPERATION_UNSUPPORTED: row<{ readonly operation: string; readonly device: string }>(),
  },
  FileError: {
    /** A file that is not a model, such as a text, is not there or cannot be read. */
    ERR_FILE_READ_FAILED: row<WithPath>(),
    /** A file cannot be written: the folder is not there, is closed to this process, or the disk is full. */
    ERR_FILE_WRITE_FAILED: row<WithPath>(),
    /** A data file is damaged, or holds nothing that can be used. */
    ERR_DATA_INVALID: row<
      Partial<WithPath> & {
        /** From 1. */
        readonly line?: number;
        readonly reason?: string;
      }
    >(),
  },
  SavedSessionError: {
    /** The file is no saved session, a damaged one, or one of another version. Nothing was restored. */
    ERR_SAVED_SESSION_INVALID: row<WithPath & { readonly reason: string }>(),
    /** The session was saved by another pair. `details` names what differs, and the file as `path`. */
    ERR_SAVED_SESSION_MISMATCH: row<Differences>(),
  },
  StageError: {
    /** A stage was called before the one that must come first. */
    ERR_STAGE_ORDER: row<{ /** Where the session stands. */ readonly stage: string }>(),
    /** Another stage of the same session is still running. */
    ERR_SESSION_BUSY: row(),
    /** A stream was iterated a second time. */
    ERR_STREAM_CONSUMED: row(),
  },
  QueueError: {
    /** All sessions of the pair are open, and as many calls wait for one as may. */
    ERR_QUEUE_FULL: row<{ readonly maxSessions: number; readonly maxWaiting: number }>(),
    /** A call has waited for a session's place for as long as the pair allows. */
    ERR_QUEUE_TIMEOUT: row<{ readonly timeoutMs: number }>(),
  },
  InferenceError: {
    /** The grammar cannot be parsed. */
    ERR_GRAMMAR_INVALID: row<{
      readonly parameter: "grammar";
      /** In the grammar's text, in bytes of UTF-8 from 0, where it is known; its line and column count from 1. */
      readonly position?: number;
      readonly line?: number;
      readonly column?: number;
      readonly reason?: string;
    }>(),
    /** llama.cpp cannot turn the JSON schema into a grammar. */
    ERR_SCHEMA_UNSUPPORTED: row<{
      /** The keyword that stands against it, where it is known. */
      readonly keyword?: string;
      /** JSON pointer of the schema that has it, such as `/properties/city`. */
      readonly pointer?: string;
    }>(),
    /** The answer is JSON of the schema's form, but the schema's own library refuses its value. */
    ERR_SCHEMA_MISMATCH: row<{
      /** The answer. */
      readonly text: string;
      readonly issues: string;
    }>(),
    /** llama.cpp failed to evaluate a batch, or a model's logits are not finite. */
    ERR_INFERENCE_FAILED: row<{
      /** llama.cpp's or ggml's own. */
      readonly status?: number;
      readonly device?: string;
      /** Whose logits, and how many tokens were read before them. */
      readonly model?: "prefill" | "decode";
      readonly position?: number;
    }>(),
    /** Memory for a model, a cache or a batch could not be had. */
    ERR_OUT_OF_MEMORY: row<{ readonly model?: string; readonly device?: string }>(),
    /** A fault of this package; please report it. */
    ERR_INTERNAL: row<{ /** A code that this version does not know. */ readonly code?: string }>(),
  },
  HostError: {
    /** The process that a pair ran in has ended. What waited for it failed with this. */
    ERR_HOST_CRASHED: row<{
      /**
       * `exit` and `signal`: by itself, with what it left as `exitCode` or `signal`. `stall` and `memory`: it was ended, since it hung or took
       * more memory than it may. `start`: the system would not start it, for the reason in `log`. `closed`: the port to it was closed.
       */
      readonly reason: "exit" | "signal" | "stall" | "memory" | "start" | "closed";
      readonly exitCode?: number;
      /** Such as `SIGABRT`, which is how llama.cpp ends where an assertion fails. */
      readonly signal?: string;
      /** The last lines that it wrote to its standard error: llama.cpp's log. */
      readonly log: readonly string[];
    }>(),
    /** The process crashed too often and is not started again. `cause` is the last crash. */
    ERR_HOST_CRASH_LOOP: row<{
      readonly crashes: number;
      readonly withinMs: number;
      readonly log: readonly string[];
    }>(),
    /** The call answers at once, which a pair in another process cannot. `instead` can be awaited. */
    ERR_HOST_ASYNC_ONLY: row<{ readonly method: string; readonly instead: string }>(),
  },
  RemoteError: {
    /** No connection to a server can be made, or it ends it unused; or a server that was to be started cannot listen. */
    ERR_REMOTE_UNREACHABLE: row<{ readonly address: string }>(),
    /** A server did not answer in time: it is not there, hangs, or serves another client. */
    ERR_REMOTE_TIMEOUT: row<{ readonly address: string; readonly timeoutMs: number }>(),
    /** What answers is no server of ggml's RPC (or no prefill server), one of another version, or one without devices. */
    ERR_REMOTE_INCOMPATIBLE: row<{
      readonly address: string;
      /** Versions of the protocol. */
      readonly expected?: string;
      readonly actual?: string;
    }>(),
    /** The server has another key, or none: no tunnel could be opened, or a prefill server knows nobody by this key. */
    ERR_REMOTE_REFUSED: row<{ readonly address: string }>(),
    /** The file is no key, or others than its owner may use it; or it has no key to a prefill server, or several. */
    ERR_REMOTE_KEY_INVALID: row<WithPath>(),
    /** A pair with remote devices was to be loaded in the app's own process. */
    ERR_REMOTE_NEEDS_HOST: row(),
    /** A server went away or stopped answering while a pair used it. Where it lends devices, it is the `cause` of ERR_HOST_CRASHED. */
    ERR_REMOTE_LOST: row(),
    /** The models of a prefill server and of this machine do not go together. `details` names what differs, and the server as `address`. */
    ERR_REMOTE_MISMATCH: row<Differences>(),
    /** A prefill server would not read a prompt: it is busy, stops, or has failed. */
    ERR_REMOTE_FAILED: row<{
      readonly address: string;
      /** Of HTTP. */
      readonly status: number;
      /** The server's own code. */
      readonly reason?: string;
    }>(),
    /** What a prefill server sent is not what it was asked for, or was damaged on the way. None of it is used. */
    ERR_REMOTE_ANSWER_INVALID: row<{ readonly address?: string; readonly reason: string }>(),
    /** The call needs the prefill model, and that is not on this machine. */
    ERR_REMOTE_UNSUPPORTED: row<{ /** Such as `quality`. */ readonly feature: string }>(),
  },
  BindingError: {
    /** No llama.cpp libraries exist for this operating system, processor or C library. */
    ERR_PLATFORM_UNSUPPORTED: row<{ readonly platform: string }>(),
    /** The platform package with llama.cpp's libraries is not installed. */
    ERR_PLATFORM_PACKAGE_MISSING: row<{
      readonly packageName: string;
      readonly searchedFrom: readonly string[];
      readonly directory?: string | undefined;
    }>(),
    /** The package has no native addon for this platform and none was built. */
    ERR_BINDING_MISSING: row<{
      /** Files or folders. */
      readonly searched: readonly string[];
      readonly platform?: string;
      readonly packageName?: string | undefined;
      /** The version that belongs to this package, and the one that was found. */
      readonly expected?: string;
      readonly actual?: string | undefined;
      readonly directory?: string;
    }>(),
    /** The addon or one of llama.cpp's libraries could not be loaded. */
    ERR_BINDING_LOAD_FAILED: row<Partial<WithPath> & { readonly directory?: string }>(),
    /** llama.cpp is of another version than the one compiled against. */
    ERR_LLAMA_VERSION_MISMATCH: row<{
      readonly expected: string;
      readonly actual?: string | undefined;
      readonly directory?: string;
      readonly packageName?: string;
      readonly packageVersion?: string | undefined;
    }>(),
    /** A different build of one of llama.cpp's libraries is in the process already. */
    ERR_LIBRARY_CONFLICT: row<{ readonly library: string; readonly loaded: string; readonly wanted: string }>(),
    /** The GPU back end that was asked for cannot be had. */
    ERR_GPU_UNAVAILABLE: row<
      Partial<WithPath> & {
        readonly gpu?: string;
        /** Of each back end that was tried. */
        readonly reasons?: readonly string[];
      }
    >(),
  },
} as const;
