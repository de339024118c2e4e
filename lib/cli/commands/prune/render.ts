/** What pruning made of a model, as tables and sentences. */

import type { ModelDimensions, ModelSize, PrunableArchitecture, PruneLoss, PruneResult } from "../../../prune/index.js";
import { renderFiles, renderSizes } from "../../model-size-tables.js";
import { formatCount } from "../../number-format.js";
import { quoted } from "../../shell-words.js";
import { prose, renderTable } from "../../tables.js";

/**
 * @param model the parent, as the user named it
 * @param vocabularySize tokens of its vocabulary, if it is known
 */
export function renderPruned(result: PruneResult, model: string, vocabularySize?: number): string {
  const { before, after, architecture, calibration, loss, paths } = result;
  const parts = [renderSizes(before, after, architecture)];
  const notes = roundingNotes(result);
  if (calibration) {
    const { samples, tokens } = calibration;
    notes.push(`Importance was measured on ${formatCount(samples)} samples, ${formatCount(tokens)} tokens.`);
  }
  if (notes.length > 0) parts.push(prose(notes.join("\n")));
  if (loss) parts.push(renderLoss(loss));
  if (loss && vocabularySize !== undefined && loss.before > Math.log(vocabularySize))
    parts.push(prose(foreignText(vocabularySize)));
  parts.push(renderFiles(result, after), nextSteps(model, paths[0] ?? ""));
  return parts.join("\n\n");
}

/** Where what stays is not what was asked for, and what that does to the size. */
function roundingNotes({ requested, after, multiple }: PruneResult): string[] {
  const notes = [
    roundingNote("Hidden size", requested.hiddenSize, after.hiddenSize, multiple),
    roundingNote("Feed-forward size", requested.feedForwardSize, after.feedForwardSize, multiple),
    roundingNote("Heads", requested.heads, after.heads),
    roundingNote("KV heads", requested.kvHeads, after.kvHeads),
  ].filter((note) => note !== undefined);
  const asked = parametersAt(requested, after);
  if (notes.length > 0 && asked !== undefined) {
    const percent = 100 * (after.parameters / asked - 1);
    const size = `${Math.abs(percent).toFixed(1)}% ${percent < 0 ? "fewer" : "more"} parameters than asked for`;
    notes.push(`By this rounding the model has about ${size}.`);
  }
  return notes;
}

function roundingNote(what: string, asked: number, kept: number, multiple?: number): string | undefined {
  if (asked === kept) return undefined;
  const why = multiple !== undefined && multiple > 1 && kept % multiple === 0 ? `, a multiple of ${multiple}` : "";
  return `${what}: ${formatCount(asked)} asked for, ${formatCount(kept)} kept${why}.`;
}

/**
 * About how many parameters a model would have at other widths: every matrix of such a model has the hidden width on one
 * side, and the three of a feed-forward network have its width on the other. Biases and the norms of heads, which do not,
 * are too small to count. Undefined where something else differs.
 */
export function parametersAt(sizes: ModelDimensions, of: ModelSize): number | undefined {
  if (sizes.layers !== of.layers || sizes.heads !== of.heads || sizes.kvHeads !== of.kvHeads) return undefined;
  const perChannel = of.parameters / of.hiddenSize + 3 * of.layers * (sizes.feedForwardSize - of.feedForwardSize);
  return perChannel * sizes.hiddenSize;
}

function renderLoss({ before, after, tokens }: PruneLoss): string {
  const row = (what: string, nats: number) => [what, nats.toFixed(4), Math.exp(nats).toPrecision(5)];
  const rows = [row("the full model", before), row("the pruned model, alone", after)];
  const head = [`next-token loss on ${formatCount(tokens)} held-out tokens`, "nats a token", "perplexity"];
  return renderTable(head, rows, [1, 2]);
}

const foreignText = (vocabularySize: number): string =>
  `On this text the full model is worse than a blind guess among its ${formatCount(vocabularySize)} tokens (${Math.log(vocabularySize).toFixed(2)} nats): it was not trained on text of this kind, and the losses and the importance measured on it mean little.`;

const nextSteps = (model: string, made: string): string =>
  [
    `Next: overfill inspect ${quoted(model)} ${quoted(made)} shows how the two models pair.`,
    prose(
      "Pruning loses what was cut: the model has to be healed by training before it writes well again: overfill heal.",
    ),
  ].join("\n");

export function renderArchitectures(architectures: readonly PrunableArchitecture[]): string {
  const rows = architectures.map(({ name, carrier, square }) => [
    name,
    carrier ?? name,
    square ? "together only" : "any",
  ]);
  return renderTable(["architecture", "at other widths written as", "width and heads"], rows);
}
