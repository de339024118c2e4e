/**
 * What is done while the system fails: each operation on pairs and files that are loaded and written before, so that only
 * its own calls fail. What it gives is text, by which doing it again is compared with doing it the first time.
 */

import { createHash } from "node:crypto";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import {
  type Chat,
  createModel,
  fitTranslator,
  heal,
  loadPair,
  measureImportance,
  measureImportanceMatrix,
  type Pair,
  pad,
  prune,
  quantize,
  type Session,
} from "../../../lib/index.js";
import { longPrompt, openPair, quiet, type SoundFiles, training } from "../mutants/sound-files.js";

export interface Prepared {
  /** While calls may fail. */
  readonly run: () => Promise<unknown>;
  /** What was done, as text, when calls succeed again; `run` has ended well. */
  readonly told: () => Promise<string>;
  /** Gives back what `run` has opened, whatever became of it. */
  readonly clear: () => Promise<void>;
}

export interface Operation {
  readonly name: string;
  /** Files that it may leave in its folder. */
  readonly leaves: readonly string[];
  readonly prepare: (files: SoundFiles, folder: string) => Promise<Prepared>;
}

const prompt = longPrompt.slice(0, 60);
const hashOf = (path: string) => createHash("sha256").update(readFileSync(path)).digest("hex").slice(0, 16);

async function written(session: Session): Promise<string> {
  const tokens: number[] = [];
  const options = { maxTokens: 8, temperature: 0, ignoreEos: true, logProbs: 1 } as const;
  for await (const chunk of session.decode(options)) tokens.push(...chunk.tokens);
  return tokens.join(" ");
}

async function answer(session: Session): Promise<string> {
  await session.prefill(prompt, { replace: true });
  await session.switch();
  return written(session);
}

async function answerOf(pair: Pair): Promise<string> {
  await using session = await pair.createSession();
  return await answer(session);
}

/** Whatever is open of it, for `clear`. */
type Open = { [Symbol.asyncDispose](): Promise<void> } | undefined;

const close = async (open: Open) => open?.[Symbol.asyncDispose]();

const loading = (name: string, load: (files: SoundFiles) => Promise<Pair>): Operation => ({
  name,
  leaves: [],
  async prepare(files) {
    let pair: Pair | undefined;
    return {
      run: async () => {
        pair = await load(files);
      },
      told: async () => (pair ? answerOf(pair) : "nothing"),
      clear: async () => {
        await close(pair);
        pair = undefined;
      },
    };
  },
});

const translated = ({ model, translated: decode, translator }: SoundFiles) =>
  loadPair({
    ...{ ...quiet, prefixCache: false, contextSize: 512, translator },
    ...{ prefill: { model: model("llama") }, decode: { model: decode } },
  });

/** On a session that a pair of its own has, which is opened once: what fails must leave it usable. */
const onSession = (
  name: string,
  load: (files: SoundFiles) => Promise<Pair>,
  before: (session: Session) => Promise<unknown>,
  run: (session: Session) => Promise<unknown>,
  told: (session: Session) => Promise<string> = answer,
): Operation => {
  let pair: Pair | undefined;
  return {
    name,
    leaves: [],
    async prepare(files) {
      pair ??= await load(files);
      const session = await pair.createSession();
      await before(session);
      return { run: () => run(session), told: () => told(session), clear: () => session.dispose() };
    },
  };
};

const saving: Operation = (() => {
  let pair: Pair | undefined;
  return {
    name: "save",
    leaves: ["s.ofs"],
    async prepare(files, folder) {
      pair ??= await openPair(files, { maxSessions: 2 });
      const using = pair;
      const path = join(folder, "s.ofs");
      const session = await using.createSession();
      await session.prefill(prompt);
      await session.switch();
      return {
        run: () => session.save(path),
        // What is there, whole, whether it was just written or before; and the session itself goes on.
        told: async () => {
          const own = await written(session);
          await using twin = await using.restore(path);
          const restored = await written(twin);
          return own === restored ? own : `the file goes on with ${restored}, the session with ${own}`;
        },
        clear: () => session.dispose(),
      };
    },
  };
})();

const restoring: Operation = (() => {
  let pair: Pair | undefined;
  return {
    name: "restore",
    leaves: [],
    async prepare(files) {
      pair ??= await openPair(files);
      const from = pair;
      let session: Session | undefined;
      return {
        run: async () => {
          session = await from.restore(files.session);
          await session.prefill([50]);
        },
        told: async () => {
          if (!session) return "nothing";
          await session.switch();
          return written(session);
        },
        clear: () => close(session).then(() => undefined),
      };
    },
  };
})();

const chatting: Operation = (() => {
  let pair: Pair | undefined;
  return {
    name: "chat",
    leaves: [],
    async prepare(files) {
      pair ??= await openPair(files);
      const chat: Chat = pair.chat();
      let text = "";
      return {
        run: async () => {
          const schema = { type: "object", properties: { a: { enum: ["b", "cd"] } }, required: ["a"] };
          ({ text } = await chat.send("bcd", { maxTokens: 24, temperature: 0, schema }).finished);
        },
        told: async () => text,
        clear: () => close(chat).then(() => undefined),
      };
    },
  };
})();

/** What is written by a call of its own. */
const writing = (
  name: string,
  write: (files: SoundFiles, out: string) => Promise<unknown>,
  leaves: readonly string[] = [],
): Operation => ({
  name,
  leaves: ["o", ...leaves],
  async prepare(files, folder) {
    const out = join(folder, "o");
    rmSync(out, { force: true });
    return { run: () => write(files, out), told: async () => hashOf(out), clear: async () => {} };
  },
});

const pruneOptions = { ...quiet, ffn: 0.5, multiple: 32, window: 64, maxSamples: 2 } as const;

const caching: Operation = {
  name: "prefix-folder",
  leaves: [],
  async prepare(files, folder) {
    const directory = join(folder, "prefixes");
    rmSync(directory, { recursive: true, force: true });
    const open = () =>
      loadPair({ ...quiet, prefill: { model: files.model("llama") }, contextSize: 1024, prefixCache: { directory } });
    const reads = async () => {
      await using pair = await open();
      await using session = await pair.createSession();
      await session.prefill(longPrompt);
      await session.switch();
      return await written(session);
    };
    let first = "";
    return {
      run: async () => {
        first = await reads();
      },
      // From whatever is in the folder.
      told: async () => {
        const again = await reads();
        return again === first ? again : `${first}, and from the folder ${again}`;
      },
      clear: async () => rmSync(directory, { recursive: true, force: true }),
    };
  },
};

const begun = (session: Session) => session.prefill(prompt);

export const operations: readonly Operation[] = [
  loading("load", (files) => openPair(files)),
  loading("load-one", ({ model }) => loadPair({ ...quiet, contextSize: 256, prefill: { model: model("spm") } })),
  loading("load-translated", translated),
  onSession(
    "prefill",
    (files) => openPair(files),
    async () => {},
    begun,
  ),
  onSession(
    "decode",
    (files) => openPair(files),
    begun,
    async (session) => {
      await session.switch();
      await written(session);
    },
  ),
  onSession("decode-translated", translated, begun, async (session) => {
    await session.switch();
    await written(session);
  }),
  saving,
  restoring,
  chatting,
  caching,
  writing("prune", (files, out) => prune({ ...pruneOptions, model: files.model("llama"), out, text: files.text })),
  writing("pad", (files, out) => pad({ threads: 1, model: files.model("llama"), out, multiple: 128 })),
  writing("quantize", (files, out) =>
    quantize({ threads: 1, model: files.wide, out, type: "q4_k_m", importance: files.matrix }),
  ),
  writing(
    "heal",
    (files, out) => {
      rmSync(`${out}.checkpoint`, { force: true });
      return heal({ ...training(files), maxSteps: 2, checkpointInterval: 1, out });
    },
    ["o.checkpoint"],
  ),
  writing("fit", (files, out) =>
    fitTranslator({
      ...{ ...quiet, prefill: { model: files.model("llama") }, decode: { model: files.translated }, text: files.text },
      ...{ chunkSize: 64, maxTokens: 400, out },
    }),
  ),
  writing("importance", (files, out) =>
    measureImportance({ ...quiet, model: files.model("llama"), text: files.text, out, window: 64, maxSamples: 2 }),
  ),
  writing("importance-matrix", (files, out) =>
    measureImportanceMatrix({ ...quiet, model: files.wide, text: files.text, out, window: 64, maxSamples: 2 }),
  ),
  writing("create", (files, out) =>
    createModel({
      ...{ out, tokenizer: files.model("llama"), hiddenSize: 32, feedForwardSize: 32, layers: 1, heads: 1, kvHeads: 1 },
    }),
  ),
];

export function operationNamed(name: string): Operation {
  const operation = operations.find((one) => one.name === name);
  if (!operation) throw new RangeError(`no operation is named ${name}`);
  return operation;
}
