/** The field in which messages are written, and the choice of pair and dial below it. */

import type { Conversation } from "./conversation.js";
import { isDial } from "./dial.js";
import { byId, element, fitHeight, isPlainEnter } from "./elements.js";

export interface ComposerOptions {
  readonly conversation: Conversation;
  readonly onSent: () => void;
  /** The user wants the last message back to edit it. */
  readonly onEditLast: () => void;
}

export class Composer {
  readonly #conversation: Conversation;
  readonly #onSent: () => void;
  readonly #form = byId("composer", HTMLFormElement);
  readonly #prompt = byId("prompt", HTMLTextAreaElement);
  readonly #pair = byId("pair", HTMLSelectElement);
  readonly #dials = [...byId("dial", HTMLFieldSetElement).querySelectorAll("input")];
  readonly #acceptanceField = byId("acceptance-field", HTMLLabelElement);
  readonly #acceptance = byId("acceptance", HTMLInputElement);
  readonly #acceptanceValue = byId("acceptance-value", HTMLSpanElement);
  readonly #send = byId("send", HTMLButtonElement);
  readonly #stop = byId("stop", HTMLButtonElement);

  constructor({ conversation, onSent, onEditLast }: ComposerOptions) {
    this.#conversation = conversation;
    this.#onSent = onSent;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#prompt.addEventListener("input", () => this.#fit());
    this.#prompt.addEventListener("keydown", (event) => {
      if (isPlainEnter(event)) {
        event.preventDefault();
        this.#submit();
      } else if (event.key === "ArrowUp" && this.#prompt.value === "" && conversation.messages.length > 0) {
        event.preventDefault();
        onEditLast();
      }
    });
    this.#pair.addEventListener("change", () => conversation.change({ pair: this.#pair.value }));
    for (const dial of this.#dials)
      dial.addEventListener("change", () => isDial(dial.value) && conversation.change({ dial: dial.value }));
    this.#acceptance.addEventListener("input", () =>
      conversation.change({ acceptance: Number(this.#acceptance.value) }),
    );
    this.#stop.addEventListener("click", () => {
      conversation.stop();
      this.focus();
    });
  }

  focus(): void {
    this.#prompt.focus();
  }

  showPairs(): void {
    const { pairs, settings, connection } = this.#conversation;
    this.#pair.replaceChildren(
      ...pairs.map(({ name }) => element("option", { text: name, attributes: { value: name } })),
    );
    this.#pair.value = settings.pair;
    this.#pair.disabled = pairs.length === 0;
    this.#pair.hidden = pairs.length === 0;
    this.#form.hidden = connection === "locked";
  }

  showSettings(): void {
    const { pair, dial, acceptance } = this.#conversation.settings;
    if (this.#pair.value !== pair) this.#pair.value = pair;
    for (const each of this.#dials) each.checked = each.value === dial;
    this.#acceptanceField.hidden = dial !== "acceptance";
    this.#acceptance.value = String(acceptance);
    this.#acceptanceValue.textContent = acceptance.toFixed(2);
  }

  /** Send, or Stop while an answer is being written. */
  showState(): void {
    const isAnswering = this.#conversation.answeringMs !== undefined;
    const hadFocus = document.activeElement === this.#stop || document.activeElement === this.#send;
    this.#send.hidden = isAnswering;
    this.#stop.hidden = !isAnswering;
    this.#send.disabled = this.#conversation.connection !== "ready";
    // The button that had it is gone.
    if (hadFocus) this.focus();
  }

  #submit(): void {
    const text = this.#prompt.value;
    if (text.trim() === "" || this.#conversation.answeringMs !== undefined) return;
    void this.#conversation.send(text);
    // It is answering at once, or it says why not and the text stays.
    if (this.#conversation.answeringMs === undefined) return;
    this.#prompt.value = "";
    this.#fit();
    this.#onSent();
  }

  #fit(): void {
    fitHeight(this.#prompt);
  }
}
