/** A message of the user, which can be edited in its place. */

import { copyButton } from "./clipboard.js";
import { button, element, fitHeight, freshId, isPlainEnter } from "./elements.js";

export interface UserActions {
  /** Sends the message again with another text. */
  resend(text: string): void;
  say(text: string): void;
}

export class UserView {
  readonly node = element("li", { class: "row" });
  readonly #article = element("article", { class: "said" });
  readonly #heading = element("h2", { class: "unseen", text: "You" });
  readonly #text = element("p", { class: "said-text" });
  readonly #edit = button("Edit", () => this.edit());
  readonly #actions: HTMLElement;
  readonly #resend: (text: string) => void;

  constructor(text: string, { resend, say }: UserActions) {
    this.#resend = resend;
    this.#text.textContent = text;
    this.#actions = element("div", { class: "actions" }, this.#edit);
    this.#actions.append(copyButton("the message", () => text, say));
    this.node.append(this.#article);
    this.#showText();
  }

  #showText(): void {
    this.#article.classList.remove("editing");
    this.#article.replaceChildren(this.#heading, this.#text, this.#actions);
  }

  edit(): void {
    const id = freshId("edit");
    const field = element("textarea", { attributes: { id, rows: "1" } });
    field.value = this.#text.textContent ?? "";
    const cancel = () => {
      this.#showText();
      this.#edit.focus();
    };
    const form = element(
      "form",
      {},
      element("label", { class: "unseen", text: "Edit the message", attributes: { for: id } }),
      field,
      element(
        "div",
        { class: "line" },
        element("span", { class: "help", text: "What follows is written anew." }),
        element("span", { class: "space" }),
        button("Cancel", cancel),
        button("Send", () => form.requestSubmit(), "main"),
      ),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (field.value.trim() === "") return;
      this.#showText();
      this.#resend(field.value);
    });
    field.addEventListener("input", () => fitHeight(field));
    form.addEventListener("keydown", (event) => {
      if (event.key === "Escape") {
        // It ends the editing, and not the answer that may be being written.
        event.stopPropagation();
        cancel();
      } else if (event.target === field && isPlainEnter(event)) {
        event.preventDefault();
        form.requestSubmit();
      }
    });
    this.#article.classList.add("editing");
    this.#article.replaceChildren(this.#heading, form);
    fitHeight(field);
    field.focus();
    field.setSelectionRange(field.value.length, field.value.length);
  }
}
