/** What `overfill` alone does: shows the demo pair at work, in a moment and without a download, and says what to do next. */

import { demoPair } from "../../../engine/index.js";
import { answerDemo } from "../../demo-answers.js";
import { listenForStop } from "../../stop-signals.js";
import { styleOf, write } from "../../terminal.js";
import { visible } from "../../visible.js";
import { renderNextSteps, renderWelcome } from "./render.js";

export async function welcome(): Promise<void> {
  const { signal, release } = listenForStop();
  const style = styleOf(process.stdout);
  try {
    const outcomes = await answerDemo(demoPair, { temperature: 0 }, signal);
    await write(process.stdout, `${renderWelcome(visible(outcomes), style)}\n\n${renderNextSteps(style)}\n`, signal);
  } finally {
    release();
  }
}
