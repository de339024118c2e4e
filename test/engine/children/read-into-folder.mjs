// Reads one prompt after another with a pair that keeps them in a folder: MODEL FOLDER [TIMES]. Says how many there
// were. After so many times the process ends, and with it the pair.
import { loadPair } from "../../../dist/index.js";

const [model, directory, times] = process.argv.slice(2);
const pair = await loadPair({
  prefill: { model },
  contextSize: 1024,
  threads: 1,
  gpu: false,
  prefixCache: { directory },
});
for (let i = 0; ; i++) {
  await pair.warm(Array.from({ length: 600 }, (_, at) => 40 + ((at * (i + 3)) % 160)));
  console.log(i + 1);
  if (i + 1 === Number(times)) process.exit(0);
}
