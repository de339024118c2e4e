/** The conversation and what can be done with it, without a page: the view shows its state and calls its verbs. */

import { addChunk, beginAnswer } from "./answer.js";
import { type Api, RequestFailure } from "./api.js";
import { choiceLabel, type PairEntry, readPairs } from "./dial.js";
import {
  type AssistantMessage,
  isEmptyAnswer,
  type Message,
  openToolCalls,
  requestMessages,
  withToolResults,
} from "./messages.js";
import { requestFields, type Settings, settingsFault } from "./settings.js";
import type { Store } from "./store.js";

/** `locked` the server asks for a key, `unreachable` see `notice`. */
export type Connection = "connecting" | "ready" | "locked" | "unreachable";

/**
 * What has changed: the `connection` and its pairs, the `notice`, the list of `messages`, or only what the last `answer` says.
 */
export type Change = "connection" | "notice" | "messages" | "answer" | "settings";

export interface ConversationOptions {
  readonly api: Api;
  readonly store: Store;
  readonly onChange: (change: Change) => void;
  /** @default `performance.now` */
  readonly now?: () => number;
}

export class Conversation {
  readonly #api: Api;
  readonly #store: Store;
  readonly #onChange: (change: Change) => void;
  readonly #now: () => number;
  #connection: Connection = "connecting";
  #pairs: readonly PairEntry[] = [];
  #notice: string | undefined;
  #messages: readonly Message[];
  #settings: Settings;
  #answering: { readonly abort: AbortController; readonly since: number } | undefined;

  constructor({ api, store, onChange, now = () => performance.now() }: ConversationOptions) {
    this.#api = api;
    this.#store = store;
    this.#onChange = onChange;
    this.#now = now;
    this.#messages = store.messages;
    this.#settings = store.settings;
  }

  get connection(): Connection {
    return this.#connection;
  }

  get pairs(): readonly PairEntry[] {
    return this.#pairs;
  }

  /** What the user has to know before anything else can be done. */
  get notice(): string | undefined {
    return this.#notice;
  }

  get messages(): readonly Message[] {
    return this.#messages;
  }

  get settings(): Settings {
    return this.#settings;
  }

  get hasKey(): boolean {
    return this.#store.key !== "";
  }

  /** How long the answer that is being written has been waited for; undefined where none is. */
  get answeringMs(): number | undefined {
    return this.#answering === undefined ? undefined : this.#now() - this.#answering.since;
  }

  /** Asks the server for its pairs. */
  async connect(): Promise<void> {
    this.#setConnection("connecting");
    try {
      this.#pairs = readPairs(await this.#api.models());
      if (!this.#pairs.some(({ name }) => name === this.#settings.pair))
        this.change({ pair: this.#pairs[0]?.name ?? "" });
      this.#setConnection("ready", this.#pairs.length === 0 ? "The server has no models." : undefined);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** @param key empty to forget it */
  async unlock(key: string): Promise<void> {
    this.#store.key = key.trim();
    await this.connect();
  }

  change(changed: Partial<Settings>): void {
    this.#settings = { ...this.#settings, ...changed };
    this.#store.settings = this.#settings;
    this.#onChange("settings");
  }

  /**
   * Sends a message and waits for its answer.
   *
   * @returns false, at once, if nothing can be sent now; the notice says why
   */
  async send(text: string): Promise<boolean> {
    if (text.trim() === "" || !this.#canAnswer()) return false;
    return this.#answer([...withToolResults(this.#messages), { role: "user", text }]);
  }

  /** Sends the message at `index` once more, in other words. It and all behind it are replaced. */
  async resend(index: number, text: string): Promise<boolean> {
    if (text.trim() === "") return false;
    this.stop();
    if (!this.#canAnswer()) return false;
    return this.#answer([...this.#messages.slice(0, index), { role: "user", text }]);
  }

  /** Has the answer at `index` written anew. It and all behind it are replaced. */
  async retry(index: number): Promise<boolean> {
    this.stop();
    if (!this.#canAnswer()) return false;
    return this.#answer(this.#messages.slice(0, index));
  }

  /** Goes on after calls of tools. @param results by the calls' ids */
  async giveResults(results: Readonly<Record<string, string>>): Promise<boolean> {
    if (openToolCalls(this.#messages).length === 0 || !this.#canAnswer()) return false;
    return this.#answer(withToolResults(this.#messages, results));
  }

  /** Stops the answer that is being written; what there is of it stays. */
  stop(): void {
    const answering = this.#answering;
    if (answering === undefined) return;
    this.#answering = undefined;
    answering.abort.abort();
    const last = this.#messages.at(-1);
    if (last?.role === "assistant") this.#replaceAnswer({ ...last, state: "stopped" }, "messages");
  }

  clear(): void {
    this.stop();
    this.#setMessages([]);
  }

  #canAnswer(): boolean {
    if (this.#answering !== undefined || this.#connection !== "ready" || this.#settings.pair === "") return false;
    this.#setNotice(settingsFault(this.#settings));
    return this.#notice === undefined;
  }

  async #answer(messages: readonly Message[]): Promise<boolean> {
    const { pair, dial, acceptance, system } = this.#settings;
    const body = { ...requestFields(this.#settings), messages: requestMessages(messages, system) };
    const answering = { abort: new AbortController(), since: this.#now() };
    this.#answering = answering;
    const isCurrent = () => this.#answering === answering;
    let answer = beginAnswer(choiceLabel(pair, dial, acceptance));
    this.#setMessages([...messages, answer]);
    try {
      for await (const chunk of this.#api.answer(body, answering.abort.signal)) {
        if (!isCurrent()) return true;
        answer = this.#timed(addChunk(answer, chunk), answering.since);
        this.#replaceAnswer(answer, "answer");
      }
      if (isCurrent()) this.#end({ ...answer, state: "done" });
    } catch (error) {
      // A stopped answer has been told of already.
      if (isCurrent()) this.#failAnswer(answer, error);
    }
    return true;
  }

  #timed(answer: AssistantMessage, since: number): AssistantMessage {
    const isThought = answer.reasoning !== "" && !isEmptyAnswer(answer) && answer.reasoningMs === undefined;
    return isThought ? { ...answer, reasoningMs: this.#now() - since } : answer;
  }

  #end(answer: AssistantMessage): void {
    this.#answering = undefined;
    this.#replaceAnswer(answer, "messages");
  }

  #failAnswer(answer: AssistantMessage, error: unknown): void {
    this.#end({ ...answer, state: "failed", error: messageOf(error) });
    if (isLocked(error)) this.#fail(error);
  }

  #fail(error: unknown): void {
    if (!isLocked(error)) this.#setConnection("unreachable", messageOf(error));
    else this.#setConnection("locked", this.hasKey ? "The server does not accept this API key." : undefined);
  }

  #setConnection(connection: Connection, notice?: string): void {
    this.#connection = connection;
    this.#onChange("connection");
    this.#setNotice(notice);
  }

  #setNotice(notice: string | undefined): void {
    if (notice === this.#notice) return;
    this.#notice = notice;
    this.#onChange("notice");
  }

  #setMessages(messages: readonly Message[]): void {
    this.#messages = messages;
    this.#store.messages = messages;
    this.#onChange("messages");
  }

  #replaceAnswer(answer: AssistantMessage, change: "messages" | "answer"): void {
    this.#messages = [...this.#messages.slice(0, -1), answer];
    // Writing all of it down for each token would be felt in a long conversation.
    if (change === "messages") this.#store.messages = this.#messages;
    this.#onChange(change);
  }
}

const isLocked = (error: unknown): boolean => error instanceof RequestFailure && error.status === 401;

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
