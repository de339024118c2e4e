/** Which of a repository's models are meant. */

import { UsageError } from "../exit.js";
import { formatBytes } from "../number-format.js";
import type { HubModel } from "./listing.js";

export interface Choice {
  /** Paths of files within the repository; of a model in parts, any of them. */
  readonly files?: readonly string[];
  /** As file names say them, in capitals or not. */
  readonly quantisations?: readonly string[];
}

/** In the order in which they were asked for. @throws UsageError that lists what there is */
export function chooseModels(models: readonly HubModel[], choice: Choice, what: string): readonly HubModel[] {
  if (models.length === 0)
    throw new UsageError(`${what} has no GGUF files: look for a repository whose name ends in GGUF`);
  const { files = [], quantisations = [] } = choice;
  if (files.length + quantisations.length === 0) {
    const [only] = models;
    if (models.length === 1 && only) return [only];
    throw new UsageError(`${what} has several models: choose by --quant or --file\n${listOf(models)}`);
  }
  const chosen = [
    ...files.map((path) => {
      const model = models.find((one) => one.files.some((file) => file.path === path));
      if (!model) throw new UsageError(`${what} has no model ${path}\n${listOf(models)}`);
      return model;
    }),
    ...quantisations.map((quantisation) => ofQuantisation(models, quantisation.trim(), what)),
  ];
  return [...new Set(chosen)];
}

function ofQuantisation(models: readonly HubModel[], wanted: string, what: string): HubModel {
  const name = wanted.toUpperCase();
  const exact = models.filter(({ quantisation }) => quantisation === name);
  const found = exact.length > 0 ? exact : models.filter(({ quantisation }) => quantisation === `UD-${name}`);
  const [model, ...others] = found;
  if (!model) throw new UsageError(`${what} has no ${wanted}\n${listOf(models)}`);
  if (others.length > 0)
    throw new UsageError(`${what} has several models of ${wanted}: choose by --file\n${listOf(found)}`);
  return model;
}

/** A line each: quantisation, size, file. */
function listOf(models: readonly HubModel[]): string {
  const rows = [...models]
    .sort((a, b) => b.sizeBytes - a.sizeBytes)
    .map(({ quantisation, sizeBytes, files }) => [quantisation || "?", formatBytes(sizeBytes), files[0]?.path ?? ""]);
  const width = (column: number) => Math.max(...rows.map((row) => row[column]?.length ?? 0));
  const [first, second] = [width(0), width(1)];
  return rows.map(([a = "", b = "", c = ""]) => `  ${a.padEnd(first)}  ${b.padStart(second)}  ${c}`).join("\n");
}
