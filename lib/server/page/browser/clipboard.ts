/** Copying, also where the browser keeps its clipboard from a page that came without TLS. */

import { button, element } from "./elements.js";

function copyBySelection(text: string): boolean {
  const field = element("textarea", { class: "unseen", attributes: { "aria-hidden": "true" } });
  const focused = document.activeElement;
  field.value = text;
  document.body.append(field);
  field.select();
  try {
    return document.execCommand("copy");
  } finally {
    field.remove();
    if (focused instanceof HTMLElement) focused.focus();
  }
}

async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  }
}

/** How long a button says what came of it. */
const toldMs = 1600;

/** A button that copies, and says so. @param say tells it to a screen reader */
export function copyButton(label: string, text: () => string, say: (text: string) => void): HTMLButtonElement {
  const made = button("Copy", async () => {
    const told = (await copy(text())) ? "Copied" : "Not copied";
    made.textContent = told;
    say(told);
    setTimeout(() => {
      made.textContent = "Copy";
    }, toldMs);
  });
  // The name begins with what is seen on the button, for people who speak to it.
  made.title = `Copy ${label}`;
  return made;
}
