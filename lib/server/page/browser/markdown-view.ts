/** A text in Markdown as it grows. Blocks that stay the same keep their elements, so that a selection in them stays. */

import { copyButton } from "./clipboard.js";
import { element } from "./elements.js";
import { renderMarkdown } from "./markdown.js";
import { sanitize } from "./sanitize.js";

/** Code with its language and a button that copies it; the frame scrolls by keyboard too. */
function frameCode(pre: HTMLPreElement, say: (text: string) => void): void {
  const language = /language-(\S+)/.exec(pre.firstElementChild?.className ?? "")?.[1] ?? "";
  const heading = element("figcaption", {}, element("span", { text: language }));
  heading.append(copyButton("this code", () => (pre.textContent ?? "").replace(/\n$/, ""), say));
  const frame = element("figure", { class: "code-frame" });
  pre.replaceWith(frame);
  pre.tabIndex = 0;
  pre.setAttribute("role", "group");
  pre.setAttribute("aria-label", language === "" ? "Code" : `Code, ${language}`);
  frame.append(heading, pre);
}

function frameTable(table: HTMLTableElement): void {
  const frame = element("div", {
    class: "table-frame",
    attributes: { role: "group", "aria-label": "Table", tabindex: "0" },
  });
  table.replaceWith(frame);
  frame.append(table);
}

function decorate(fragment: DocumentFragment, say: (text: string) => void): void {
  for (const pre of fragment.querySelectorAll("pre")) frameCode(pre, say);
  for (const table of fragment.querySelectorAll("table")) frameTable(table);
  for (const cell of fragment.querySelectorAll<HTMLElement>("th, td")) {
    if (cell.tagName === "TH" && cell.textContent === "") cell.replaceWith(element("td"));
  }
  for (const link of fragment.querySelectorAll("a")) {
    link.target = "_blank";
    link.rel = "noopener noreferrer nofollow";
    // So that everybody sees where it leads, whatever it says.
    link.title = link.href;
  }
}

export class MarkdownView {
  readonly node = element("div", { class: "prose" });
  readonly #say: (text: string) => void;
  #text = "";
  #shown: { readonly html: string; readonly node: HTMLElement }[] = [];

  constructor(say: (text: string) => void) {
    this.#say = say;
  }

  show(text: string): void {
    if (text === this.#text) return;
    this.#text = text;
    const blocks = renderMarkdown(text);
    blocks.forEach(({ html }, index) => {
      const shown = this.#shown[index];
      if (shown?.html === html) return;
      const fragment = sanitize(html);
      decorate(fragment, this.#say);
      const node = element("div", { class: "block" }, fragment);
      if (shown === undefined) this.node.append(node);
      else shown.node.replaceWith(node);
      this.#shown[index] = { html, node };
    });
    for (const { node } of this.#shown.splice(blocks.length)) node.remove();
  }
}
