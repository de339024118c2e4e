/** The calls of tools in an answer, with what came back, or fields in which the user writes it. */

import { button, element, fitHeight, freshId, isPlainEnter } from "./elements.js";
import type { ToolCall, ToolMessage } from "./messages.js";

/** Indented, if it is JSON; else as it is, which is so while it is being written. */
function readable(json: string): string {
  try {
    return JSON.stringify(JSON.parse(json), undefined, 2);
  } catch {
    return json;
  }
}

const codeBlock = (label: string, text: string): HTMLElement =>
  element("pre", { text, attributes: { tabindex: "0", role: "group", "aria-label": label } });

function callCard({ name, arguments: input }: ToolCall, ...rest: readonly (Node | undefined)[]): HTMLElement {
  const summary = element("summary", {}, element("span", { text: "Calls " }), element("code", { text: name || "…" }));
  const details = element("details", {}, summary, codeBlock(`Arguments of ${name}`, readable(input)));
  details.open = true;
  return element(
    "div",
    { class: "call", attributes: { role: "group", "aria-label": `Call of ${name}` } },
    details,
    ...rest,
  );
}

function resultField(call: ToolCall, form: HTMLFormElement): HTMLElement {
  const id = freshId("result");
  const field = element("textarea", { class: "code", attributes: { id, rows: "1", name: call.id } });
  field.addEventListener("input", () => fitHeight(field));
  field.addEventListener("keydown", (event) => {
    if (!isPlainEnter(event)) return;
    event.preventDefault();
    form.requestSubmit();
  });
  return element("div", { class: "result" }, element("label", { text: "Result", attributes: { for: id } }), field);
}

export interface ToolCallsContent {
  readonly calls: readonly ToolCall[];
  readonly results: readonly ToolMessage[];
  /** Whether results are asked for. */
  readonly isOpen: boolean;
}

export class ToolCallsView {
  readonly node = element("div", { class: "calls" });
  readonly #giveResults: (results: Readonly<Record<string, string>>) => void;
  #shown = "";

  constructor(giveResults: (results: Readonly<Record<string, string>>) => void) {
    this.#giveResults = giveResults;
  }

  show(content: ToolCallsContent): void {
    const key = JSON.stringify(content);
    // Showing the same again would take away what was written in the fields.
    if (key === this.#shown) return;
    this.#shown = key;
    this.node.replaceChildren(...(content.isOpen ? [this.#form(content)] : this.#cards(content)));
  }

  #cards({ calls, results }: ToolCallsContent): readonly HTMLElement[] {
    return calls.map((call) => {
      const result = results.find(({ toolCallId }) => toolCallId === call.id);
      if (result === undefined) return callCard(call);
      const block = codeBlock(`Result of ${call.name}`, readable(result.text));
      return callCard(call, element("div", { class: "result" }, element("p", { text: "Result" }), block));
    });
  }

  #form({ calls }: ToolCallsContent): HTMLElement {
    const form = element("form");
    form.append(...calls.map((call) => callCard(call, resultField(call, form))));
    form.append(
      element(
        "div",
        { class: "line" },
        button("Send results", () => form.requestSubmit(), "main"),
      ),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const fields = [...form.querySelectorAll("textarea")];
      this.#giveResults(Object.fromEntries(fields.map(({ name, value }) => [name, value])));
    });
    return form;
  }
}
