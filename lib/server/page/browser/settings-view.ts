/** The dialog with what is seldom changed. What is written in it holds at once; it stays open while something is wrong. */

import type { Conversation } from "./conversation.js";
import { byId } from "./elements.js";
import { settingsFault } from "./settings.js";

export class SettingsView {
  readonly #conversation: Conversation;
  readonly #dialog = byId("settings", HTMLDialogElement);
  readonly #fields = {
    system: byId("system", HTMLTextAreaElement),
    temperature: byId("temperature", HTMLInputElement),
    maxTokens: byId("max-tokens", HTMLInputElement),
    tools: byId("tools", HTMLTextAreaElement),
  };
  readonly #fault = byId("settings-fault", HTMLParagraphElement);
  readonly #forget = byId("forget-key", HTMLButtonElement);

  constructor(conversation: Conversation) {
    this.#conversation = conversation;
    byId("open-settings", HTMLButtonElement).addEventListener("click", () => this.#open());
    for (const [name, field] of Object.entries(this.#fields))
      field.addEventListener("input", () => {
        conversation.change({ [name]: field.value });
        if (settingsFault(conversation.settings) === undefined) this.#showFault();
      });
    this.#dialog.addEventListener("submit", (event) => {
      this.#showFault();
      if (!this.#fault.hidden) event.preventDefault();
    });
    this.#forget.addEventListener("click", () => {
      this.#dialog.close();
      void conversation.unlock("");
    });
  }

  get isOpen(): boolean {
    return this.#dialog.open;
  }

  #open(): void {
    const { settings, hasKey } = this.#conversation;
    this.#fields.system.value = settings.system;
    this.#fields.temperature.value = settings.temperature;
    this.#fields.maxTokens.value = settings.maxTokens;
    this.#fields.tools.value = settings.tools;
    this.#forget.hidden = !hasKey;
    this.#showFault();
    this.#dialog.showModal();
  }

  #showFault(): void {
    const fault = settingsFault(this.#conversation.settings);
    this.#fault.hidden = fault === undefined;
    this.#fault.textContent = fault ?? "";
  }
}
