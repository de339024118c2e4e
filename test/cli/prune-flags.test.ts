/** The flags of `prune`, `importance`, `pad` and `quantize` without running them, and how a result is told. */

import test from "ava";
import { addImportanceCommand, toImportanceOptions, toMatrixOptions } from "../../lib/cli/commands/importance/flags.js";
import { addPadCommand, toPadOptions } from "../../lib/cli/commands/pad/flags.js";
import { paddedName } from "../../lib/cli/commands/pad/run.js";
import { addPruneCommand, toPruneOptions } from "../../lib/cli/commands/prune/flags.js";
import { addQuantizeCommand, toQuantizeOptions } from "../../lib/cli/commands/quantize/flags.js";
import { parseLayersKept } from "../../lib/cli/flags.js";
import { detailOf } from "../../lib/cli/work.js";
import { checkMatrixOptions, checkQuantizeOptions } from "../../lib/prune/quantize-validation.js";
import { checkImportanceOptions, checkPadOptions, checkPruneOptions } from "../../lib/prune/validation.js";
import { parseFlags } from "./parse-flags.js";

const parsePrune = (...args: string[]) => parseFlags(addPruneCommand, args);
const parseImportance = (...args: string[]) => parseFlags(addImportanceCommand, args);
const parsePad = (...args: string[]) => parseFlags(addPadCommand, args);

const pruneFlags = (text: string) => parsePrune(...text.split(" "));

test("the example of the first page is understood", async (t) => {
  const flags = await pruneFlags("full.gguf -o decode.gguf --hidden 0.45 --ffn 0.45 --text calibration.txt");
  const options = toPruneOptions("full.gguf", flags);
  t.deepEqual(options, {
    ...{ model: "full.gguf", out: "decode.gguf", hidden: 0.45, ffn: 0.45, text: "calibration.txt" },
    ...{ compensate: true, measure: true },
  });
  t.notThrows(() => checkPruneOptions(options));
});

test("every flag of prune reaches the option of the API that it stands for", async (t) => {
  const flags = await pruneFlags(
    "full.gguf -o o.gguf --hidden 0.25 --ffn 1024 --heads 8 --kv-heads 2 --layers 0,1,5 --target-size 1.0B " +
      "--text t.txt --save-importance s.gguf --multiple 128 --quantize Q4_K_M --no-compensate --statistic absolute " +
      "--hidden-scope layers --ffn-scope model --select random --seed 7 --window 64 --windows-per-batch 4 " +
      "--max-samples 100 --no-measure --max-part-size 2GB --name Small --threads 3 --gpu off --gpu-layers all",
  );
  const options = toPruneOptions("full.gguf", flags);
  t.deepEqual(options, {
    ...{ model: "full.gguf", out: "o.gguf", hidden: 0.25, ffn: 1024, heads: 8, kvHeads: 2, layers: [0, 1, 5] },
    ...{ targetSize: "1.0B", text: "t.txt", saveImportance: "s.gguf", multiple: 128, quantize: "q4_k_m" },
    ...{
      compensate: false,
      statistic: "absolute",
      hiddenScope: "layers",
      ffnScope: "model",
      select: "random",
      seed: 7,
    },
    ...{ window: 64, windowsPerBatch: 4, maxSamples: 100, measure: false, maxPartBytes: "2GB", name: "Small" },
    ...{ threads: 3, gpu: false, gpuLayers: "all" },
  });
  t.notThrows(() => checkPruneOptions(options));
  const others = await pruneFlags(
    "full.gguf -o o.gguf --layers 0.5 --layer-rule influence --importance i.gguf --target-bytes 1GiB",
  );
  t.like(toPruneOptions("full.gguf", others), {
    layers: 0.5,
    layerRule: "influence",
    importance: "i.gguf",
    targetBytes: "1GiB",
  });
});

test("what prune lacks is told", async (t) => {
  const none = await parsePrune();
  t.throws(() => toPruneOptions(undefined, none), { message: /missing required argument 'model'/ });
  t.throws(() => toPruneOptions("a.gguf", none), { message: /'-o, --out <file>' not specified/ });
  t.throws(() => toPruneOptions("a.gguf", { ...none, out: "b.gguf" }), { message: /^nothing to prune: give --hidden/ });
});

test("layers are a share, a number or a list", (t) => {
  t.deepEqual(["0.5", ".5", "0", "12", "0,1,5"].map(parseLayersKept), [0.5, 0.5, 0, 12, [0, 1, 5]]);
  for (const text of ["", "some", "-1", "1,", ",1", "0,1.5", "1e3", "0x1"])
    t.throws(() => parseLayersKept(text), { message: /Expected a share such as 0\.5/ }, text);
});

test("every flag of importance reaches its option", async (t) => {
  const flags = await parseImportance(
    ..."full.gguf -o i.gguf --text a.txt --text b.txt --merge c.gguf --merge d.gguf --window 32".split(" "),
    ..."--windows-per-batch 2 --max-samples 9 --threads 2 --gpu off --gpu-layers 1".split(" "),
  );
  const options = toImportanceOptions("full.gguf", flags);
  t.deepEqual(options, {
    ...{ model: "full.gguf", out: "i.gguf", text: ["a.txt", "b.txt"], merge: ["c.gguf", "d.gguf"] },
    ...{ window: 32, windowsPerBatch: 2, maxSamples: 9, threads: 2, gpu: false, gpuLayers: 1 },
  });
  t.notThrows(() => checkImportanceOptions(options));
});

test("every flag of pad reaches its option", async (t) => {
  const flags = await parsePad(
    ..."a.gguf -o b.gguf --multiple 64 --quantize Q8_0 --max-part-size 1GiB --name Wide --threads 2".split(" "),
  );
  const options = toPadOptions("a.gguf", flags.out ?? "", flags);
  t.deepEqual(options, {
    ...{
      model: "a.gguf",
      out: "b.gguf",
      multiple: 64,
      quantize: "q8_0",
      maxPartBytes: "1GiB",
      name: "Wide",
      threads: 2,
    },
  });
  t.notThrows(() => checkPadOptions(options));
});

test("a padded model is named after the model, without the number of a part", (t) => {
  const names = ["decode.gguf", "models/decode.gguf", "decode-00001-of-00003.gguf", "decode", "a.b.GGUF"];
  t.deepEqual(names.map(paddedName), [
    "decode-padded.gguf",
    "models/decode-padded.gguf".replaceAll("/", process.platform === "win32" ? "\\" : "/"),
    "decode-padded.gguf",
    "decode-padded.gguf",
    "a.b-padded.gguf",
  ]);
});

test("every flag of quantize reaches its option", async (t) => {
  const flags = await parseFlags(addQuantizeCommand, [
    ...["a.gguf", "Q4_K_M", "-o", "b.gguf", "--importance", "m.gguf", "--max-part-size", "1GiB", "--pure"],
    ...["--tensor-type", "a=b=Q8_0", "--tensor-type", "^ffn=f16", "--output-tensor-type", "Q6_K", "--threads", "2"],
    ...["--token-embedding-type", "bf16", "--allow-requantize"],
  ]);
  const options = toQuantizeOptions("a.gguf", "Q4_K_M", flags);
  t.deepEqual(options, {
    ...{ model: "a.gguf", out: "b.gguf", type: "q4_k_m", importance: "m.gguf", maxPartBytes: "1GiB", pure: true },
    ...{ tensorTypes: { "a=b": "q8_0", "^ffn": "f16" }, outputTensorType: "q6_k", tokenEmbeddingType: "bf16" },
    ...{ allowRequantize: true, threads: 2 },
  });
  t.deepEqual(Object.keys(options.tensorTypes ?? {}), ["a=b", "^ffn"]);
  t.notThrows(() => checkQuantizeOptions(options));
  const others = await parseFlags(addQuantizeCommand, ["a.gguf", "copy", "-o", "b.gguf", "--leave-output-tensor"]);
  t.true(toQuantizeOptions("a.gguf", "copy", others).keepOutputTensor);
});

test("an importance matrix takes the flags of importance, but for the batches", async (t) => {
  const flags = await parseImportance(
    ..."a.gguf --imatrix -o m.gguf --text t.txt --merge o.gguf --window 64 --max-samples 5 --threads 2 --gpu off".split(
      " ",
    ),
  );
  const options = toMatrixOptions("a.gguf", flags);
  t.deepEqual(options, {
    ...{ model: "a.gguf", out: "m.gguf", text: ["t.txt"], merge: ["o.gguf"], window: 64, maxSamples: 5, threads: 2 },
    gpu: false,
  });
  t.notThrows(() => checkMatrixOptions(options));
  const batches = await parseImportance(..."a.gguf --imatrix -o m.gguf --text t.txt --windows-per-batch 2".split(" "));
  t.throws(() => toMatrixOptions("a.gguf", batches), { message: /^--windows-per-batch cannot be used/ });
});

test("only the reading of a text counts tokens", (t) => {
  t.is(detailOf({ stage: "calibrating", fraction: 0.5, tokens: 12_288 }), "12,288 tokens");
  t.is(detailOf({ stage: "writing", fraction: 0.5, tokens: 12_288 }), "");
});
