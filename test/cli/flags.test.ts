import test from "ava";
import { appendAdapter } from "../../lib/cli/adapter-flags.js";
import { toChatOptions } from "../../lib/cli/chat-flags.js";
import { readTemplate } from "../../lib/cli/chat-template.js";
import { addChatCommand, toSendOptions as toChatSendOptions } from "../../lib/cli/commands/chat/flags.js";
import { addEvalCommand, toEvaluateOptions } from "../../lib/cli/commands/eval/flags.js";
import { addRunCommand, toDecodeOptions } from "../../lib/cli/commands/run/flags.js";
import { appendLogitBias, appendText, flagOfParameter, given, parseLayers, parseNumber } from "../../lib/cli/flags.js";
import { toLoadOptions } from "../../lib/cli/pair-flags.js";
import { makeProgram } from "../../lib/cli/program.js";
import { demoPair } from "../../lib/engine/demo-pair.js";
import type { OnePairOptions } from "../../lib/engine/index.js";
import { checkDecodeOptions, checkLoadPairOptions } from "../../lib/engine/validation.js";
import { parseFlags } from "./parse-flags.js";

const parse = (...args: string[]) => parseFlags(addRunCommand, args);

for (const text of ["", " ", "x", "1x", "NaN", "Infinity"])
  test(`${JSON.stringify(text)} is no number`, (t) => {
    t.throws(() => parseNumber(text), { message: /Expected a number/ });
  });

test("numbers are decimal numbers", (t) => {
  t.deepEqual(["-1", "0.5", "1e3"].map(parseNumber), [-1, 0.5, 1000]);
  t.deepEqual(["all", "7"].map(parseLayers), ["all", 7]);
});

test("flags that repeat add up", (t) => {
  t.deepEqual(appendText("b", appendText("a", undefined)), ["a", "b"]);
  const bias = appendLogitBias("9=+inf", appendLogitBias("8=-inf", appendLogitBias("7=1.5", undefined)));
  t.deepEqual(
    [...bias],
    [
      [7, 1.5],
      [8, -Infinity],
      [9, Infinity],
    ],
  );
});

for (const text of ["7", "=1", "7=", "-7=1", "x=1", "7=x", "7=infinite"])
  test(`${JSON.stringify(text)} is no logit bias`, (t) => {
    t.throws(() => appendLogitBias(text, undefined), { message: /Expected/ });
  });

test("the help of every command is at most 80 columns wide where nobody says how wide it may be", (t) => {
  for (const command of makeProgram().commands) {
    let text = "";
    command.configureOutput({ writeOut: (part) => (text += part) }).outputHelp();
    t.deepEqual(
      text.split("\n").filter((line) => line.length > 80),
      [],
      command.name(),
    );
  }
});

test("a parameter of the API is told by its flag", (t) => {
  const flags = ["options.temperature", "options.topK", "options.prefill.gpuLayers", "options.decode.model"];
  t.deepEqual(
    flags.map((name) => flagOfParameter(name)),
    ["--temp", "--top-k", "--gpu-layers", "--decode"],
  );
  t.deepEqual(
    ["options.stop.0", "options.contextSize", "prompt"].map((name) => flagOfParameter(name)),
    ["--stop", "--context", "--prompt"],
  );
  t.is(flagOfParameter("options.decode.flashAttention"), "--decode-flash-attention");
});

test("a command's own word for an option is told", (t) => {
  const names = ["options.layers", "options.kvHeads", "options.maxPartBytes", "options.model", "out"];
  t.deepEqual(
    names.map((name) => flagOfParameter(name, "prune")),
    ["--layers", "--kv-heads", "--max-part-size", "<model>", "--out"],
  );
  t.is(flagOfParameter("options.layers", "fit"), "--layer-map");
});

test("options that were not given are absent", (t) => {
  t.deepEqual(Object.keys(given<{ a?: number; b?: number }>({ a: undefined, b: 0 })), ["b"]);
});

test("an adapter's flag is a file, with a scale behind the last colon", async (t) => {
  const texts = ["a.gguf", "a.gguf:0.5", "a.gguf:-2e-1", "C:\\a.gguf", "C:\\a.gguf:2", "a:b", "a.gguf:", ":1"];
  const adapters = texts.reduce<ReturnType<typeof appendAdapter>>((all, text) => appendAdapter(text, all), []);
  t.deepEqual(adapters, [
    { file: "a.gguf" },
    { file: "a.gguf", scale: 0.5 },
    { file: "a.gguf", scale: -0.2 },
    { file: "C:\\a.gguf" },
    { file: "C:\\a.gguf", scale: 2 },
    { file: "a:b" },
    { file: "a.gguf:" },
    { file: ":1" },
  ]);
  t.is(flagOfParameter("options.decode.adapters.0.scale"), "--decode-adapter");
  t.is(flagOfParameter("prefill.adapters"), "--prefill-adapter");
});

test("an adapter for the model that writes needs no second model", async (t) => {
  const side = "--prefill a --prefill-adapter p:2 --decode-adapter d --decode-adapter e:0.5".split(" ");
  const expected = {
    prefill: { model: "a", adapters: [{ file: "p", scale: 2 }] },
    decode: { model: "a", adapters: [{ file: "d" }, { file: "e", scale: 0.5 }] },
  };
  t.deepEqual(toLoadOptions(await parse(...side), demoPair), expected);
  t.like(toEvaluateOptions(await parseFlags(addEvalCommand, [...side, "--data", "c"])), expected);
  t.deepEqual(toLoadOptions(await parse("--prefill", "a", "--decode", "b", "--decode-adapter", "d"), demoPair), {
    prefill: { model: "a" },
    decode: { model: "b", adapters: [{ file: "d" }] },
  });
});

test("without flags the demo pair writes greedily", async (t) => {
  const flags = await parse();
  t.deepEqual(toDecodeOptions(flags), { temperature: 0 });
  t.deepEqual(toLoadOptions(flags, demoPair), demoPair);
});

test("with a model named the API's defaults hold", async (t) => {
  const flags = await parse("--prefill", "a.gguf");
  t.deepEqual(toDecodeOptions(flags), {});
  t.deepEqual(toLoadOptions(flags, demoPair), { prefill: { model: "a.gguf" } });
});

test("the decode model has flags of its own for its device and its cache", async (t) => {
  const side =
    "--gpu-layers 4 --decode-gpu-layers 2 --flash-attention on --decode-flash-attention off --decode-cache-type-k q8_0";
  const run = await parse(...`--prefill a --decode b ${side}`.split(" "));
  const evaluation = await parseFlags(addEvalCommand, `--prefill a --decode b --data c ${side}`.split(" "));
  const expected = {
    prefill: { model: "a", gpuLayers: 4 },
    decode: { model: "b", gpuLayers: 2, cacheTypeK: "q8_0", flashAttention: false },
    flashAttention: true,
  };
  t.deepEqual(toLoadOptions(run, demoPair), expected as never);
  t.deepEqual(toEvaluateOptions(evaluation), { ...expected, data: "c" } as never);
});

test("a quality is a word or a share", async (t) => {
  for (const [text, quality] of [
    ["fast", "fast"],
    ["exact", "exact"],
    ["0.3", { acceptance: 0.3 }],
  ] as const)
    t.deepEqual(toDecodeOptions(await parse("--quality", text)).quality, quality as never);
});

test("every flag reaches the option of the API that it stands for", async (t) => {
  const flags = await parse(
    ..."--prefill a.gguf --decode b.gguf --temp 0.5 --top-k 3 --top-p 0.9 --min-p 0.1 --typical-p 0.8".split(" "),
    ..."--repeat-penalty 1.1 --presence-penalty -1 --frequency-penalty 2 --repeat-last-n -1 --seed 5".split(" "),
    ..."--max-tokens 9 --stop x --stop y --grammar g --logit-bias 3=-1 --context 512 --threads 3 --batch 64".split(" "),
    ..."--gpu off --gpu-layers 4 --cache-type-k q8_0 --cache-type-v f32 --flash-attention off".split(" "),
    ..."--handover translate --ignore-eos --special --refresh-interval 16 --refresh-budget 0.05".split(" "),
    ..."--dry-multiplier 0.8 --dry-base 2 --dry-allowed-length 3 --dry-penalty-last-n -1".split(" "),
    ..."--dry-sequence-breaker a --dry-sequence-breaker b --xtc-probability 0.5 --xtc-threshold 0.2".split(" "),
    ..."--top-n-sigma 1 --dynatemp-range 0.3 --dynatemp-exponent 2 --mirostat 2 --mirostat-tau 4".split(" "),
    ..."--mirostat-eta 0.2 --samplers top_k;temperature".split(" "),
  );
  const decode = toDecodeOptions(flags);
  t.deepEqual(decode, {
    temperature: 0.5,
    topK: 3,
    topP: 0.9,
    minP: 0.1,
    typicalP: 0.8,
    repeatPenalty: 1.1,
    presencePenalty: -1,
    frequencyPenalty: 2,
    repeatLastN: -1,
    dryMultiplier: 0.8,
    dryBase: 2,
    dryAllowedLength: 3,
    dryPenaltyLastN: -1,
    drySequenceBreakers: ["a", "b"],
    xtcProbability: 0.5,
    xtcThreshold: 0.2,
    topNSigma: 1,
    dynatempRange: 0.3,
    dynatempExponent: 2,
    mirostat: 2,
    mirostatTau: 4,
    mirostatEta: 0.2,
    samplers: ["top_k", "temperature"],
    seed: 5,
    logitBias: new Map([[3, -1]]),
    grammar: "g",
    maxTokens: 9,
    stop: ["x", "y"],
    ignoreEos: true,
    special: true,
    refreshInterval: 16,
    refreshBudget: 0.05,
  });
  const load = toLoadOptions(flags, demoPair);
  t.deepEqual(load, {
    prefill: { model: "a.gguf", gpuLayers: 4 },
    decode: { model: "b.gguf", gpuLayers: 4 },
    contextSize: 512,
    threads: 3,
    batchSize: 64,
    gpu: false,
    cacheTypeK: "q8_0",
    cacheTypeV: "f32",
    flashAttention: false,
    handover: "translate",
  });
  t.notThrows(() => checkDecodeOptions(decode));
  t.notThrows(() => checkLoadPairOptions(load as OnePairOptions));
});

test("the flags of a chat reach its options", async (t) => {
  const { signal } = new AbortController();
  const chat = async (...args: string[]) => {
    const flags = await parseFlags(addChatCommand, args);
    return { ...toChatOptions(flags), ...(await readTemplate(flags, signal)) };
  };
  t.deepEqual(await chat(), { template: "chatml" });
  t.deepEqual(await chat("--prefill", "a.gguf"), {});
  t.deepEqual(await chat("--prefill", "a.gguf", "--template", "chatml", "--system", "s", "--no-reasoning"), {
    template: "chatml",
    system: "s",
    reasoning: false,
  });
  t.deepEqual(await chat("--prefill", "a.gguf", "--reasoning-budget", "0"), { reasoning: { budgetTokens: 0 } });
});

test("a conversation forgets its oldest messages rather than end", async (t) => {
  const flags = await parseFlags(addChatCommand, ["--prefill", "a.gguf", "--max-steps", "2", "--top-k", "3"]);
  t.deepEqual(toChatSendOptions(flags), { topK: 3, maxSteps: 2, overflow: "drop-oldest" });
});
