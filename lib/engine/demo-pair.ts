/** The pair that ships with the package: two small models that read a little story and answer questions about it. */

import { join } from "node:path";
import { ownFolder, unpackedPath } from "../internal/package-files.js";
import type { ModelSource } from "./options.js";

const file = (name: string) => unpackedPath(join(ownFolder(), "models", name));

/**
 * Ready for {@link loadPair}: `await loadPair(demoPair)`. Loads in milliseconds, needs no download.
 *
 * Its models are looked up when they are asked for. In a bundle, `prefill` and `decode` throw ERR_BINDING_MISSING where
 * the package is not installed beside it.
 */
export const demoPair: { readonly prefill: ModelSource; readonly decode: ModelSource } = {
  get prefill() {
    return { model: file("demo-prefill.gguf") };
  },
  get decode() {
    return { model: file("demo-decode.gguf") };
  },
};

const story = [
  "\n Tavlin has 12 red kites in the garden .",
  " Rosnek has 17 blue keys in the attic .",
  " Wimjo has 20 red boats in the harbor .",
  " Kelbo has 3 gray lamps in the library .",
].join("");

const ask = (question: string) => `${story}\n ${question} :`;

/** Questions about a story, of the kinds that the demo pair was made for; `prompt` is the story and the question. */
export const demoQuestions: readonly { readonly question: string; readonly prompt: string; readonly answer: string }[] =
  [
    ["Sort from 3 to 20", " 3 gray lamps , 12 red kites , 17 blue keys , 20 red boats ."],
    ["Tell about Rosnek", " Rosnek has 17 blue keys in the attic ."],
    ["Tell about Kelbo and Tavlin", " Kelbo has 3 gray lamps in the library . Tavlin has 12 red kites in the garden ."],
    ["Who has more , Kelbo or Wimjo", " Kelbo has 3 , Wimjo has 20 , Wimjo ."],
    ["Count red , blue , gold", " red 2 , blue 1 , gold 0 ."],
    [
      "Fill place , thing , color of Wimjo",
      " Wimjo has 20 red boats in the harbor . : place harbor , thing boats , color red .",
    ],
  ].map(([question = "", answer = ""]) => ({ question, prompt: ask(question), answer }));

/** A prompt of the kind that the demo pair was made for; the answer is ` 3 gray lamps , 12 red kites , 17 blue keys , 20 red boats .` */
export const demoPrompt = ask("Sort from 3 to 20");
