/** An answer: its reasoning, its text, its calls, how it ended, and the stages' times. */

import { endingOf } from "./answer.js";
import { copyButton } from "./clipboard.js";
import { button, element } from "./elements.js";
import { formatMs } from "./figures.js";
import { FiguresView } from "./figures-view.js";
import { MarkdownView } from "./markdown-view.js";
import { type AssistantMessage, type ToolMessage, wholeCalls } from "./messages.js";
import { ToolCallsView } from "./tool-calls-view.js";

export interface AnswerActions {
  retry(): void;
  giveResults(results: Readonly<Record<string, string>>): void;
  /** Tells something to a screen reader. */
  say(text: string): void;
}

export interface AnswerContent {
  readonly message: AssistantMessage;
  readonly results: readonly ToolMessage[];
  readonly isLast: boolean;
}

function reasoningTitle({ state, text, toolCalls, reasoningMs }: AssistantMessage): string {
  if (state === "streaming" && text === "" && toolCalls.length === 0) return "Thinking…";
  return reasoningMs === undefined ? "Reasoning" : `Reasoning, ${formatMs(reasoningMs)}`;
}

function activityOf({ text, reasoning, toolCalls }: AssistantMessage): string {
  if (text !== "" || toolCalls.length > 0) return "Writing";
  return reasoning === "" ? "Reading" : "Thinking";
}

export class AnswerView {
  readonly node: HTMLLIElement;
  readonly #article = element("article", { class: "answer" });
  readonly #reasoning = element("details", { class: "reasoning" });
  readonly #reasoningTitle = element("summary");
  readonly #reasoningText: MarkdownView;
  readonly #text: MarkdownView;
  readonly #calls: ToolCallsView;
  readonly #ending = element("p", { class: "ending" });
  readonly #actions = element("div", { class: "actions" });
  readonly #copy: HTMLButtonElement;
  readonly #figures = new FiguresView();
  #message: AssistantMessage | undefined;

  constructor({ retry, giveResults, say }: AnswerActions) {
    this.#reasoningText = new MarkdownView(say);
    this.#text = new MarkdownView(say);
    this.#calls = new ToolCallsView(giveResults);
    this.#reasoning.append(this.#reasoningTitle, this.#reasoningText.node);
    // A fold that is closed costs nothing while it grows.
    this.#reasoning.addEventListener("toggle", () => this.#showReasoning());
    this.#copy = copyButton("the answer", () => this.#message?.text ?? "", say);
    this.#actions.append(this.#copy, button("Try again", retry));
    this.#article.append(
      element("h2", { class: "unseen", text: "Answer" }),
      this.#reasoning,
      this.#text.node,
      this.#calls.node,
      this.#ending,
      this.#actions,
    );
    this.node = element("li", { class: "row" }, this.#article, this.#figures.node);
  }

  show({ message, results, isLast }: AnswerContent): void {
    this.#message = message;
    const isStreaming = message.state === "streaming";
    this.#article.setAttribute("aria-busy", String(isStreaming));
    this.#article.classList.toggle("waiting", isStreaming && activityOf(message) === "Reading");
    this.#reasoning.hidden = message.reasoning === "";
    this.#reasoningTitle.textContent = reasoningTitle(message);
    this.#showReasoning();
    this.#text.show(message.text);
    this.#calls.node.hidden = message.toolCalls.length === 0;
    const isOpen = isLast && !isStreaming && results.length === 0 && wholeCalls(message).length > 0;
    this.#calls.show({ calls: message.toolCalls, results, isOpen });
    const ending = endingOf(message);
    this.#ending.hidden = ending === undefined;
    this.#ending.textContent = ending ?? "";
    this.#ending.classList.toggle("fault", message.state === "failed");
    this.#actions.hidden = isStreaming;
    this.#copy.hidden = message.text === "";
    if (!isStreaming) this.#figures.show(message.figures, message.model);
  }

  /** @param ms since the message was sent */
  showClock(ms: number): void {
    if (this.#message?.state === "streaming") this.#figures.showClock(activityOf(this.#message), ms);
  }

  #showReasoning(): void {
    if (this.#reasoning.open && this.#message !== undefined) this.#reasoningText.show(this.#message.reasoning);
  }
}
