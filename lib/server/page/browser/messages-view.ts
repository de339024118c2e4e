/** The list of messages. Each keeps its elements as long as it is the same message. */

import { AnswerView } from "./answer-view.js";
import type { Conversation } from "./conversation.js";
import { element } from "./elements.js";
import type { Message, ToolMessage } from "./messages.js";
import { UserView } from "./user-view.js";

/** How near the end of the list counts as at its end, in pixels. */
const nearEnd = 48;

interface Shown {
  readonly index: number;
  readonly role: "user" | "assistant";
  /** Of a user's message, which is shown anew when it changes. */
  readonly text: string;
  readonly view: UserView | AnswerView;
}

export interface MessagesViewOptions {
  readonly conversation: Conversation;
  /** What scrolls. */
  readonly scroller: HTMLElement;
  readonly list: HTMLElement;
  readonly say: (text: string) => void;
  /** Called where the user has sent something from the list, whose buttons are then gone. */
  readonly onSent: () => void;
}

export class MessagesView {
  readonly #options: MessagesViewOptions;
  #shown: Shown[] = [];

  constructor(options: MessagesViewOptions) {
    this.#options = options;
  }

  show(): void {
    const { conversation, list } = this.#options;
    const { messages } = conversation;
    this.#keepEnd(() => {
      const indices = messages.flatMap(({ role }, index) => (role === "tool" ? [] : [index]));
      indices.forEach((index, place) => {
        this.#showMessage(messages, index, place, place === indices.length - 1);
      });
      for (const { view } of this.#shown.splice(indices.length)) view.node.remove();
    });
    list.hidden = messages.length === 0;
  }

  /** Only what the last message says has changed. */
  showAnswer(): void {
    const { messages } = this.#options.conversation;
    const place = this.#shown.length - 1;
    const last = this.#shown[place];
    if (last !== undefined) this.#keepEnd(() => this.#showMessage(messages, last.index, place, true));
  }

  showClock(ms: number): void {
    const last = this.#shown.at(-1)?.view;
    if (last instanceof AnswerView) this.#keepEnd(() => last.showClock(ms));
  }

  editLast(): void {
    const last = this.#shown.findLast(({ role }) => role === "user")?.view;
    if (last instanceof UserView) last.edit();
  }

  scrollToEnd(): void {
    const { scroller } = this.#options;
    scroller.scrollTop = scroller.scrollHeight;
  }

  /** Does something to the list that leaves a reader who is at its end there, and any other where they are. */
  #keepEnd(change: () => void): void {
    const { scroller } = this.#options;
    const isAtEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < nearEnd;
    change();
    if (isAtEnd) this.scrollToEnd();
  }

  #showMessage(messages: readonly Message[], index: number, place: number, isLast: boolean): void {
    const message = messages[index];
    if (message === undefined || message.role === "tool") return;
    const text = message.role === "user" ? message.text : "";
    const shown = this.#shown[place];
    const stays = shown?.index === index && shown.role === message.role && shown.text === text;
    const view = stays ? shown.view : this.#viewOf(message.role, text, index);
    if (!stays) {
      if (shown === undefined) this.#options.list.append(view.node);
      else shown.view.node.replaceWith(view.node);
      this.#shown[place] = { index, role: message.role, text, view };
    }
    if (message.role === "assistant" && view instanceof AnswerView)
      view.show({ message, results: resultsOf(messages, index), isLast });
  }

  #viewOf(role: "user" | "assistant", text: string, index: number): UserView | AnswerView {
    const { conversation, say, onSent } = this.#options;
    const sent = (answer: Promise<boolean>) => {
      void answer;
      this.scrollToEnd();
      onSent();
    };
    if (role === "user")
      return new UserView(text, { resend: (changed) => sent(conversation.resend(index, changed)), say });
    return new AnswerView({
      retry: () => sent(conversation.retry(index)),
      giveResults: (results) => sent(conversation.giveResults(results)),
      say,
    });
  }
}

/** The results that follow an answer with calls. */
function resultsOf(messages: readonly Message[], index: number): readonly ToolMessage[] {
  const rest = messages.slice(index + 1);
  const end = rest.findIndex(({ role }) => role !== "tool");
  return rest.slice(0, end < 0 ? rest.length : end).filter((message) => message.role === "tool");
}

/** A place in the page that a screen reader reads out what is added to. */
export function speaker(place: HTMLElement): (text: string) => void {
  const longest = 20;
  return (text) => {
    place.append(element("p", { text }));
    while (place.childElementCount > longest) place.firstElementChild?.remove();
  };
}
