/** The stages' times beside an answer: a bar with each stage's part of the time, and the figures. */

import { element } from "./elements.js";
import { type Figures, figureRows, formatClock, stageShares } from "./figures.js";

export class FiguresView {
  readonly node = element("div", { class: "figures", attributes: { role: "group", "aria-label": "Times" } });
  readonly #clock = element("p", { class: "clock" });
  #shown: Figures | undefined;

  /** While the answer is being written: what is going on, and for how long. */
  showClock(activity: string, ms: number): void {
    const text = `${activity} ${formatClock(ms)}`;
    if (this.#clock.textContent !== text) this.#clock.textContent = text;
    if (this.#clock.parentNode !== this.node) this.node.replaceChildren(this.#clock);
  }

  show(figures: Figures | undefined, model: string): void {
    this.#clock.remove();
    if (figures === this.#shown && this.node.childElementCount > 0) return;
    this.#shown = figures;
    const children: Node[] = [element("p", { class: "writer", text: model })];
    if (figures !== undefined) children.push(...bar(figures), list(figures));
    this.node.replaceChildren(...children);
  }
}

function bar(figures: Figures): readonly Node[] {
  const shares = stageShares(figures);
  if (shares.length === 0) return [];
  const parts = shares.map(({ stage, share }) => {
    const part = element("span", { class: stage });
    part.style.flexGrow = String(share);
    return part;
  });
  return [element("div", { class: "bar", attributes: { "aria-hidden": "true" } }, ...parts)];
}

function list(figures: Figures): HTMLElement {
  const rows = figureRows(figures).map(({ stage, name, value, note }) =>
    element(
      "div",
      {},
      element("dt", { class: stage ?? "none", text: name }),
      element("dd", { text: `${value} ` }, note === undefined ? undefined : element("span", { text: note })),
    ),
  );
  return element("dl", {}, ...rows);
}
