/** Elements of the page, made and found. Text is only ever set as text. */

interface Properties {
  readonly class?: string;
  readonly text?: string;
  readonly attributes?: Readonly<Record<string, string>>;
}

export function element<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  { class: classes, text, attributes = {} }: Properties = {},
  ...children: readonly (Node | undefined)[]
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag);
  if (classes !== undefined) made.className = classes;
  if (text !== undefined) made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children.filter((child) => child !== undefined));
  return made;
}

export function button(text: string, onClick: () => void, classes = "quiet"): HTMLButtonElement {
  const made = element("button", { class: classes, text, attributes: { type: "button" } });
  made.addEventListener("click", onClick);
  return made;
}

/** The element of index.html with this id. */
export function byId<Type extends HTMLElement>(id: string, type: new () => Type): Type {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new TypeError(`#${id} of the page is no ${type.name}`);
  return found;
}

let ids = 0;

/** An id that no other element has. */
export const freshId = (name: string): string => `${name}-${++ids}`;

/** Makes a field as high as its text. */
export function fitHeight(field: HTMLTextAreaElement): void {
  field.style.height = "auto";
  field.style.height = `${field.scrollHeight}px`;
}

/** Whether a key is Enter alone, and not the one that ends a composition of characters. */
export const isPlainEnter = (event: KeyboardEvent): boolean =>
  event.key === "Enter" && !event.shiftKey && !event.isComposing && event.keyCode !== compositionKey;

/** What Safari calls an Enter that ends a composition. */
const compositionKey = 229;
