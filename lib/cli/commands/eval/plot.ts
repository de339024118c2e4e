/** An evaluation's report as an SVG: nearness to the full model by position where there are positions, else the scores. */

import type { EvaluationReport } from "../../../eval/index.js";
import { drawPositions } from "./position-plot.js";
import { drawScores } from "./score-plot.js";

export function drawReport(report: EvaluationReport): string {
  return report.rows.some(({ positions }) => positions) ? drawPositions(report) : drawScores(report);
}
