// Reads one prompt after another with a pair that keeps them in a folder: MODEL FOLDER. Says how many there were.
import { loadPair } from "../../../dist/index.js";

const [model, directory] = process.argv.slice(2);
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
}
