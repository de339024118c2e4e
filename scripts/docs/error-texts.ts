/**
 * What docs/errors.md says of each code: what happened, why, and what to do. The compiler wants a text for every code of
 * lib/errors/error-table.ts, and refuses one for a code that is not there.
 */

import type { DownloadCode } from "../../lib/cli/hub/faults.js";
import type { OverfillErrorCode } from "../../lib/index.js";

export interface ErrorText {
  readonly what: string;
  readonly why: string;
  readonly todo: string;
}

const text = (what: string, why: string, todo: string): ErrorText => ({ what, why, todo });

export const errorTexts = {
  ERR_INVALID_ARGUMENT: text(
    "An option or an argument was refused before anything ran.",
    "It is of the wrong kind, out of range, unknown, or cannot be had together with another one.",
    "Read `details`: `parameter` names it, `expected` says what may stand there, `actual` what came, and `suggestion` the nearest name that exists. On the command line the message names the flag.",
  ),
  ERR_CONTEXT_OVERFLOW: text(
    "A prompt, or a prompt with the answer so far, does not fit into the context. The session is as it was before the call.",
    "`promptTokens` and what the session holds already (`contextTokens`) are more than `contextSize`.",
    'Load the pair with a larger `contextSize`, shorten the prompt, or cut the session (`session.truncate`). A chat can drop its oldest turns by itself: `overflow: "drop-oldest"` ([chat.md](chat.md#when-the-context-is-full)).',
  ),
  ERR_DISPOSED: text(
    "A pair, session, chat or provider was used after `dispose()`, or was disposed while the call ran.",
    "Something else in the program ended it. Disposing a pair ends its sessions and chats, too.",
    "Await what is running before you dispose, and keep one owner for each object. In a shutdown this error is expected and can be ignored.",
  ),
  ERR_MODEL_NOT_FOUND: text(
    "There is no file at the model's path.",
    "The path is wrong, is taken from another folder than you think, or the download has not finished.",
    "Look at `details.path`; a relative one is taken from the folder that the process was started in. In Electron, paths inside the archive are looked up beside it ([platforms.md](platforms.md#electron)).",
  ),
  ERR_MODEL_NOT_A_FILE: text(
    "The model's path names a directory, a pipe or a device.",
    "Models are read at random places, so only regular files will do.",
    "Name the `.gguf` file itself; of a model in parts, the first one.",
  ),
  ERR_MODEL_INVALID: text(
    "The file is not a GGUF file, or a damaged one.",
    "A download was cut short, the file is in another format (safetensors, a Git LFS pointer), or its structure contradicts itself. It was refused before llama.cpp saw it.",
    "Download it again and compare its size. Convert models in other formats with llama.cpp's `convert_hf_to_gguf.py`.",
  ),
  ERR_MODEL_UNSUPPORTED: text(
    "The file is sound, but is a model of a kind that cannot do this.",
    "It is a vocabulary, an embedding model or of an architecture that this version of llama.cpp does not know; or its memory is not the KV cache that fitting and healing need.",
    "Take another model. [architectures.md](architectures.md) lists what was tried.",
  ),
  ERR_MODEL_LOAD_FAILED: text(
    "llama.cpp refused the model, or the system would not give the file.",
    "A tensor is missing or of an unexpected shape, the disk failed, or the process may open no more files.",
    "Set `OVERFILL_LOG=info`, or use `onLog`, and read llama.cpp's last lines. If the file works in llama.cpp itself, please report it.",
  ),
  ERR_ADAPTER_MISMATCH: text(
    "A LoRA adapter does not fit the model.",
    "It was made for another base. `details` names what differs.",
    "Load it with the model that it was trained on ([adapters.md](adapters.md)).",
  ),
  ERR_PAIR_INCOMPATIBLE: text(
    "The two models cannot work together.",
    "Their vocabularies differ, or their memories are of kinds that cannot be translated into each other. `details` names every field that differs, as `prefill | decode`.",
    "Run `overfill inspect full.gguf small.gguf`. Which models pair is in [make-a-pair.md](make-a-pair.md); different shapes with one vocabulary need a [fitted translator](handover.md).",
  ),
  ERR_HANDOVER_UNAVAILABLE: text(
    "The models pair, but not by the handover or the implementation that you asked for.",
    'You set `handover: "share"`, or an `implementation`, and something stands against it: `details.reason` says what.',
    'Leave both at `"auto"`, or remove what stands against it, such as a cache type of one side.',
  ),
  ERR_PAIR_FOLDER_INVALID: text(
    "The folder's `overfill.json` cannot be used.",
    "It is damaged, of another version, or has a key that there is not: `details.key` and `details.reason` say what.",
    "Make the pair again with `overfill make`, or mend the file ([make.md](make.md)).",
  ),
  ERR_TARGET_UNREACHABLE: text(
    "No pair that can be made of this model is so fast or so small.",
    "`details.asked` is beyond what pruning and quantising can reach here, which is `details.reachable`.",
    "Ask for less, or begin with another full model ([make.md](make.md)).",
  ),
  ERR_TRANSLATOR_INVALID: text(
    "The file is not a translator.",
    "It is another GGUF file, a damaged one, or was written by a version with another format.",
    "Fit it again with `overfill fit`; `overfill inspect` shows what a translator file holds.",
  ),
  ERR_TRANSLATOR_MISMATCH: text(
    "The translator was made for other models.",
    "It was fitted to another pair, or the two were given the wrong way round. `details` names what differs.",
    "Fit one for this pair ([handover.md](handover.md)).",
  ),
  ERR_PRUNE_UNSUPPORTED: text(
    "The model cannot be pruned.",
    "It is a mixture of experts, has tensors that the pruner does not know, or is of another architecture than those it knows.",
    "[prune.md](prune.md) lists the architectures. A coarser quantisation (`overfill quantize`) is the other way to a smaller model.",
  ),
  ERR_ALREADY_PRUNED: text(
    "The model was pruned before.",
    "Pruning twice would go by the importance of what is left, which is worse than pruning once.",
    "Prune the model that it was made from, to the size that you want.",
  ),
  ERR_IMPORTANCE_INVALID: text(
    "The file holds no importance, or no importance matrix.",
    "It is another file, is damaged, or is of the other kind: pruning takes what `overfill importance` writes, quantising takes llama.cpp's matrices.",
    "Measure it again ([prune.md](prune.md), [quantize.md](quantize.md)).",
  ),
  ERR_IMPORTANCE_MISMATCH: text(
    "The importance was measured on another model.",
    "Names or sizes of tensors differ; `details` says which.",
    "Measure it on the model that you are pruning or quantising.",
  ),
  ERR_TRAINING_DIVERGED: text(
    "The loss or a gradient is no longer a finite number. The last checkpoint is whole.",
    "Usually the learning rate is too high for the model or the batch; sometimes a tensor of the file is broken (`details.tensor`).",
    "Lower the learning rate, lengthen the warm-up, and resume from the last checkpoint ([heal.md](heal.md)).",
  ),
  ERR_CHECKPOINT_INVALID: text(
    "A run cannot go on from where it was.",
    "The checkpoint is damaged, or an option, the model or the data have changed since: `details.fact` names it.",
    "Run with the same options and files, or start anew in another place.",
  ),
  ERR_OPERATION_UNSUPPORTED: text(
    "The device cannot train this model.",
    "Its back end lacks the operation in `details.operation`.",
    "Train on the CPU (`gpu: false`), which has all of them.",
  ),
  ERR_FILE_READ_FAILED: text(
    "A file that is not a model cannot be read.",
    "It is not there, this process may not read it, or the disk failed.",
    "Look at `details.path` and at its permissions.",
  ),
  ERR_FILE_WRITE_FAILED: text(
    "A file cannot be written. What was at its place before is still there.",
    "The folder does not exist, is closed to this process, or the disk is full; models cannot be written to pipes or devices.",
    "Make the folder or some room, and call again ([platforms.md](platforms.md#files)).",
  ),
  ERR_DATA_INVALID: text(
    "A data or configuration file cannot be used.",
    "A line is no JSON or lacks a field, more lines are bad than `maxBadLines` allows, or nothing is left of it. `details.line` counts from 1.",
    "Mend the line. The formats are in [eval.md](eval.md), [heal.md](heal.md) and [server.md](server.md).",
  ),
  ERR_SAVED_SESSION_INVALID: text(
    "The file is no saved session. Nothing was restored.",
    "It is another file, was cut or changed (its checksums say so), or was written by a version with another format.",
    "Read the prompt again and save anew ([saved-sessions.md](saved-sessions.md)).",
  ),
  ERR_SAVED_SESSION_MISMATCH: text(
    "The session was saved by another pair.",
    "The models, their adapters, the cache's types or its layout differ; `details` says which.",
    "Load the pair as it was when the session was saved, or read the prompt again.",
  ),
  ERR_STAGE_ORDER: text(
    "A stage was called before the one that has to come first.",
    "A session goes prefill, switch, decode; a chat needs a message to answer. `details.stage` says where it stands.",
    "Call the missing stage, or `session.generate`, which does all three ([concepts.md](concepts.md)).",
  ),
  ERR_SESSION_BUSY: text(
    "Another stage of the same session, or another answer of the same chat, is still running.",
    "A session does one thing at a time. A stream that nobody reads to its end is still running, too.",
    "Await the first call, or break out of its loop. For answers beside each other use several sessions or `session.fork()`.",
  ),
  ERR_STREAM_CONSUMED: text(
    "A stream was iterated a second time.",
    "Its chunks are given once and not kept.",
    "Keep what you need of the first iteration, or await `finished` (chats) or `result` (sessions), which take nothing from it.",
  ),
  ERR_QUEUE_FULL: text(
    "All sessions are open, and as many calls wait for one as may.",
    "There is more to do than `maxSessions` and `queue.maxWaiting` allow; often sessions or chats are not disposed.",
    "Dispose what is done, raise `maxSessions`, or try again later. The call can be made again as it was.",
  ),
  ERR_QUEUE_TIMEOUT: text(
    "A call has waited for a session for as long as it may (`queue.timeoutMs`).",
    "The sessions that are open were not given back in time.",
    "As for `ERR_QUEUE_FULL`; or allow a longer wait.",
  ),
  ERR_GRAMMAR_INVALID: text(
    "The grammar cannot be parsed.",
    "It is not GBNF, or names a rule that is not there. `details` has line, column and reason where they are known.",
    "Mend the grammar; for JSON give a `schema` instead, and let the package write the grammar.",
  ),
  ERR_SCHEMA_UNSUPPORTED: text(
    "The JSON schema cannot be turned into a grammar. Nothing ran.",
    "It says what no grammar can hold a model to: `details.keyword` at `details.pointer`.",
    "Leave the keyword out and check its condition yourself. [chat.md](chat.md#objects) names what cannot be said.",
  ),
  ERR_SCHEMA_MISMATCH: text(
    "The answer is JSON of the right form, but your schema library refuses its value.",
    "The library asks for more than the grammar can say, such as a refinement or a real date. `details.issues` has its words, `details.text` the answer.",
    "Ask again with the issues in the message, or loosen the schema.",
  ),
  ERR_INFERENCE_FAILED: text(
    "A batch could not be computed, or a model's logits are no numbers.",
    "A device failed (`details.device`), or a model is broken or overflows (`details.model`). The session can be used again.",
    "Try without the GPU (`gpu: false`) and with another quantisation. If it stays, please report it with llama.cpp's log.",
  ),
  ERR_OUT_OF_MEMORY: text(
    "Memory for a model, a cache or a batch could not be had.",
    "Weights, KV cache (`contextSize` times `maxSessions`) and batches together are more than the machine or the GPU has.",
    "Lower `contextSize` or `maxSessions`, share a pool (`cacheTokens`), quantise the cache (`cacheTypeK`, `cacheTypeV`), put fewer layers on the GPU, or take smaller files. `overfill inspect` says what a pair needs.",
  ),
  ERR_INTERNAL: text(
    "Something happened that this package did not expect.",
    "It is a fault of the package; or the error comes of a newer version, whose code this one does not know (`details.code`).",
    "Please report it, with the stack and what led to it.",
  ),
  ERR_HOST_CRASHED: text(
    "The process that the pair runs in has ended. What waited for it failed with this.",
    "`details.reason` says how: by itself (`exit`, `signal`), because it hung (`stall`) or took too much memory (`memory`), could not be started (`start`), or its port closed (`closed`). `details.log` has its last lines.",
    'Ask again: with `restart: "on-crash"` the pair comes back by itself, chats included ([host.md](host.md#what-happens-in-a-crash)). If one prompt or model does it each time, please report it.',
  ),
  ERR_HOST_CRASH_LOOP: text(
    "The process crashed too often and is not started again.",
    "More than `maxRestarts` crashes within `restartWindowMs`. `cause` is the last crash.",
    "Look at the cause and at `details.log`; then load the pair anew, perhaps with other options.",
  ),
  ERR_HOST_ASYNC_ONLY: text(
    "A call that answers at once was made on a pair in another process.",
    "Another process cannot answer at once.",
    "Await the method in `details.instead`, such as `tokenizeAsync`.",
  ),
  ERR_REMOTE_UNREACHABLE: text(
    "No connection to a server can be made, or a server that was to be started cannot listen.",
    "It is not running, a firewall is between, the address is wrong, or it ended the connection without a word: it may be starting again, or want a key.",
    "Start `overfill rpc-server` there and try its address from this machine ([remote.md](remote.md)).",
  ),
  ERR_REMOTE_TIMEOUT: text(
    "A server did not answer in time.",
    "It hangs, the network drops what is sent, or it serves another client: a server serves one at a time.",
    "Wait for the other client to end, or raise `remote.timeoutMs`.",
  ),
  ERR_REMOTE_INCOMPATIBLE: text(
    "What answers cannot be used.",
    "It is no server of ggml's RPC and no prefill server, speaks another version of it (`details.expected`, `details.actual`), or has no devices.",
    "Run the same version of overfill on both machines.",
  ),
  ERR_REMOTE_REFUSED: text(
    "The server refuses this client: no tunnel could be opened, or a prefill server knows nobody by this key.",
    "The two sides have different keys, or one has none.",
    "Copy the key file again, and use `rpcs:` with it on this side.",
  ),
  ERR_REMOTE_KEY_INVALID: text(
    "The file is no key that may be used.",
    "It is not one that `overfill rpc-key` made, or others than its owner may read it. The file with the key to a prefill server has no key, or several.",
    "`chmod 600` the file, or make a new key and copy it to both machines. For a prefill server, write one of its keys into the file, on one line.",
  ),
  ERR_REMOTE_NEEDS_HOST: text(
    "A pair with remote devices was to be loaded in the app's own process.",
    "Where a server is lost, llama.cpp ends the process that it is in.",
    "Use `loadPairInHost` of `overfill/host`; or say `remote: { inProcess: true }` where this process may end.",
  ),
  ERR_REMOTE_LOST: text(
    "A server went away, or stopped answering, while a pair used it. Where it lends devices, it is the `cause` of `ERR_HOST_CRASHED`.",
    "The machine or the network went down, or nothing moved for `remote.stallTimeoutMs`.",
    "Ask again when the server is back: the pair is loaded again then. Raise `stallTimeoutMs` if a micro-batch takes longer there.",
  ),
  ERR_REMOTE_MISMATCH: text(
    "The models of a prefill server and of this machine do not go together.",
    "The server reads for another decode model than the one here. `details` names what differs.",
    "Load the same decode model on both sides, or name another of the server's models (`prefill.model`).",
  ),
  ERR_REMOTE_FAILED: text(
    "A prefill server would not read a prompt. The session stays.",
    "It is busy, stops, or has failed: `details.status` is HTTP's, `details.reason` the server's own code.",
    "Call again later; the server's log says more ([server.md](server.md)).",
  ),
  ERR_REMOTE_ANSWER_INVALID: text(
    "What a prefill server sent is not what it was asked for. None of it is used.",
    "It was damaged or cut on the way, or what answers at the address is no prefill server of this version.",
    "Call again; if it stays so, look at what is between the two machines, and run the same version on both.",
  ),
  ERR_REMOTE_UNSUPPORTED: text(
    "The call needs the prefill model, and that is not on this machine.",
    "A pair whose prompts are read by a server has the decode model alone; `details.feature` names what it lacks. At the load: no server can read for a model with such a `memory`, or the `decode` models would need cells of their own.",
    "Leave that out, or use [devices of another machine](remote.md#two-machines), where all of it works.",
  ),
  ERR_PLATFORM_UNSUPPORTED: text(
    "There are no llama.cpp libraries for this system.",
    "No package has them for this operating system, processor or C library, such as musl.",
    "[Build the package in a clone](platforms.md#building-it-yourself) with `OVERFILL_LLAMA=source`.",
  ),
  ERR_PLATFORM_PACKAGE_MISSING: text(
    "The platform package with llama.cpp's libraries is not installed.",
    "It was left out by `--omit=optional`, or by a lock file from another platform.",
    "Install `details.packageName` in the version that the message names ([platforms.md](platforms.md#what-is-published)).",
  ),
  ERR_BINDING_MISSING: text(
    "There is no native addon for this platform.",
    "Its platform package was left out of the install or has another version, or a bundle runs where `overfill` is not installed. `details.searched` says where it was looked for.",
    "Install the package that the message names, or [build one](platforms.md#building-it-yourself). Beside a bundle, install `overfill` in the version that was bundled.",
  ),
  ERR_BINDING_LOAD_FAILED: text(
    "The addon, or one of llama.cpp's libraries, could not be loaded.",
    "A library that it needs is missing or too old, or the file is inside an Electron archive.",
    "Read the system's words in the message, run `npx overfill doctor`, and keep native packages out of the archive ([platforms.md](platforms.md#electron)).",
  ),
  ERR_LLAMA_VERSION_MISMATCH: text(
    "llama.cpp's libraries are of another version than the one that the addon was built for.",
    "Another version of the `@node-llama-cpp` package was installed, by an override or a lock file; or `OVERFILL_LLAMA_DIR` names other libraries.",
    "Install the version in `details.expected`. The two must be equal, since the package uses what is inside of llama.cpp.",
  ),
  ERR_LIBRARY_CONFLICT: text(
    "A different build of one of llama.cpp's libraries is in the process already.",
    "Another package brought its own, such as another version of node-llama-cpp. Whichever loads second would break.",
    "Use the same version of both ([platforms.md](platforms.md#beside-node-llama-cpp)), or load the pair in a process of its own ([host.md](host.md)).",
  ),
  ERR_GPU_UNAVAILABLE: text(
    "The GPU back end that you asked for cannot be had.",
    "Its package is not installed, the driver is missing, or it finds no device. `details.reasons` has a line for each that was tried.",
    'Install the GPU package ([platforms.md](platforms.md#gpu)), or use `gpu: "auto"`, which falls back to the CPU. `npx overfill doctor` shows what was found.',
  ),
} satisfies Readonly<Record<OverfillErrorCode, ErrorText>>;

/** Codes of `overfill pull`, which are no `OverfillError`s. */
export const downloadTexts = {
  ERR_DOWNLOAD_FAILED: text(
    "A download did not come through.",
    "There is no connection, the server ended it again and again, or its answer makes no sense.",
    "Run the same command again: it goes on where it was. Before Node 24 a proxy needs `NODE_USE_ENV_PROXY=1` ([pull.md](pull.md)).",
  ),
  ERR_DOWNLOAD_NOT_FOUND: text(
    "What was to be downloaded is not there.",
    "The repository has no such revision or file, or its name is wrong.",
    "Run `overfill pull` with the repository's name alone: it lists what there is.",
  ),
  ERR_DOWNLOAD_REFUSED: text(
    "The server does not give the file.",
    "The repository is private, its terms have to be accepted first, or it is not there: without a token the Hub does not say which.",
    "Accept the terms on its page, and log in with `hf auth login` or set `HF_TOKEN`.",
  ),
  ERR_DOWNLOAD_CORRUPT: text(
    "What came is not what was promised. It was removed.",
    "Its SHA-256 or its length differs: a cache or proxy on the way, or a file that was replaced meanwhile.",
    "Download it again; if it stays so, name another revision or another source.",
  ),
  ERR_DOWNLOAD_NO_SPACE: text(
    "The disk has too little room for the download. Nothing was fetched.",
    "What is missing of the file is more than is free.",
    "Make room, or let `HF_HOME` or `HF_HUB_CACHE` name another disk.",
  ),
} satisfies Readonly<Record<DownloadCode, ErrorText>>;
