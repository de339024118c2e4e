/** A conversation with a pair: messages in, text, reasoning, tool calls and objects out. */

import type { Pair } from "../engine/pair.js";
import type { SaveOptions } from "../engine/saved-session-options.js";
import { checkFile, checkSaveOptions } from "../engine/saved-session-validation.js";
import { isLost, type Session, saveNoted } from "../engine/session.js";
import { writerNumber } from "../engine/writers.js";
import { createError } from "../errors/create-error.js";
import type { NativeChatRequest } from "../internal/binding-types.js";
import { callSite, fromCaller, placedAt, syncFromCaller } from "../internal/caller-stack.js";
import { refusedArgument } from "../internal/check-options.js";
import { AnswerRun } from "./answer-run.js";
import { noteOf } from "./chat-note.js";
import { type ChatStream, makeChatStream } from "./chat-stream.js";
import { grammarSchema } from "./grammar-schema.js";
import { type AnySchema, jsonSchemaOf, type StandardSchema } from "./json-schema.js";
import { type ModelMessage, toolCallsOf } from "./messages.js";
import type { ChatDefaults, ChatOptions, SendOptions, ToolChoice } from "./options.js";
import { type Tools, toolsJson } from "./tools.js";
import { checkChatOptions, checkEdit, checkInput, checkMessages, checkSendOptions } from "./validation.js";

/** What is said to the model: a text of the user, a message (of the user, or with the results of tools), or several. */
export type ChatInput = string | ModelMessage | readonly ModelMessage[];

function chosenTools(
  tools: Tools,
  choice: ToolChoice,
): { readonly tools: Tools; readonly toolChoice: NativeChatRequest["toolChoice"] } {
  if (typeof choice === "string") {
    if (choice === "required" && Object.keys(tools).length === 0)
      throw refusedArgument("options.toolChoice", "expected tools to choose from", "none");
    return { tools, toolChoice: choice };
  }
  const only = Object.hasOwn(tools, choice.tool) ? tools[choice.tool] : undefined;
  if (!only)
    throw refusedArgument("options.toolChoice.tool", "expected the name of a tool", JSON.stringify(choice.tool));
  return { tools: { [choice.tool]: only }, toolChoice: "required" };
}

/**
 * Made by {@link Pair.chat}. Holds its messages, and a session of the pair from the first answer on, in which what was read
 * once stays: each answer reads what is new. One answer runs at a time (ERR_SESSION_BUSY). Dispose it to give the session
 * back.
 */
export class Chat implements AsyncDisposable {
  readonly pair: Pair;
  readonly #options: ChatOptions;
  #messages: readonly ModelMessage[];
  #session: Promise<Session> | undefined;
  #running: ChatStream | undefined;
  #disposed = false;

  /**
   * For {@link Pair.chat}, which says what it throws.
   *
   * @param session which the chat is to dispose; without it, one is opened with the first answer
   */
  constructor(pair: Pair, options: ChatOptions = {}, session?: Session) {
    this.pair = pair;
    this.#session = session && Promise.resolve(session);
    this.#options = checkChatOptions(options);
    const { system, history = [], writer } = this.#options;
    if (writer !== undefined) writerNumber(pair.info.writers, writer);
    this.#messages = [...(system === undefined ? [] : [{ role: "system", content: system } as const]), ...history];
  }

  /** All messages of the chat, the system's included. Those of an answer come when it has ended. */
  get messages(): readonly ModelMessage[] {
    return this.#messages;
  }

  /** Whether the chat or its pair was disposed. */
  get disposed(): boolean {
    return this.#disposed || this.pair.disposed;
  }

  /** Replaces all messages. Throws ERR_INVALID_ARGUMENT, and ERR_SESSION_BUSY while an answer runs. */
  setMessages(messages: readonly ModelMessage[]): void {
    syncFromCaller(() => {
      this.#assertUsable();
      this.#messages = checkMessages(messages, "messages");
    });
  }

  /**
   * Says something and answers it. The template renders the whole chat; of the rendered text the session keeps what it
   * holds already, and reads the rest. Where the model calls tools that can run, they run, and the model goes on with their
   * results, up to `maxSteps` runs. If the answer fails, the chat is as it was before; after an abort it keeps what was
   * written, except for calls without results. Without a message it answers the last one, which is the user's or has the
   * results of tools: after {@link Chat.edit}, say.
   *
   * Throws ERR_INVALID_ARGUMENT, ERR_SESSION_BUSY, ERR_DISPOSED or, where there is no message to answer, ERR_STAGE_ORDER at
   * once. The stream fails with
   * - ERR_MODEL_UNSUPPORTED for a model without a chat template, or with one that cannot be parsed or has no bounds;
   * - ERR_INVALID_ARGUMENT for messages that the template refuses, and for such a template given by the caller;
   * - ERR_SCHEMA_UNSUPPORTED, with the keyword, for a schema that a grammar cannot say;
   * - ERR_CONTEXT_OVERFLOW where `overflow` finds no way out;
   * - ERR_QUEUE_FULL or ERR_QUEUE_TIMEOUT where the chat has no session yet and there is none to be had;
   * - what the stages of a session fail with.
   */
  send<Output>(
    message: ChatInput | undefined,
    options: SendOptions<Output> & { readonly schema: StandardSchema<Output> },
  ): ChatStream<Output>;
  send(message?: ChatInput, options?: SendOptions): ChatStream;
  send(message?: ChatInput, options: SendOptions = {}): ChatStream {
    return syncFromCaller(() => {
      if (message === undefined) this.#assertAnswerable();
      const input = message === undefined ? [] : checkInput(message, this.#messages);
      return this.#send(input, checkSendOptions(options), false);
    });
  }

  /**
   * Goes on with the last message, which is the assistant's: what the model adds becomes part of it. Throws and fails as
   * {@link Chat.send} does.
   */
  continue(options: SendOptions = {}): ChatStream {
    return syncFromCaller(() => {
      const last = this.#messages.at(-1);
      if (last?.role !== "assistant" || toolCallsOf(last).length > 0)
        throw createError("ERR_STAGE_ORDER", "there is no answer to go on with", { stage: last?.role ?? "empty" });
      return this.#send([], checkSendOptions(options), true);
    });
  }

  /**
   * Takes back the last message of the user and all behind it: answers, calls, results. Gives them; undefined if there is no
   * such message. Throws ERR_SESSION_BUSY while an answer runs, ERR_DISPOSED.
   */
  undo(): readonly ModelMessage[] | undefined {
    return syncFromCaller(() => {
      this.#assertUsable();
      const at = this.#messages.findLastIndex(({ role }) => role === "user");
      return at < 0 ? undefined : this.#cut(at);
    });
  }

  /**
   * Writes the chat to a file: its messages, as JSON has them, and its session as {@link Session.save} does. Where there was
   * no answer yet, the session is opened for it. Rejects with what {@link Session.save} and {@link Pair.createSession} reject
   * with; with ERR_SESSION_BUSY while an answer runs, ERR_INVALID_ARGUMENT for messages that JSON cannot say.
   */
  async save(file: string | URL, options: SaveOptions = {}): Promise<void> {
    return fromCaller(async () => {
      // Refused before a session is opened for it.
      checkFile(file);
      const { signal = new AbortController().signal } = checkSaveOptions(options);
      this.#assertUsable();
      const session = await this.#opened(undefined, signal);
      // An answer may have come meanwhile.
      await saveNoted(session, file, noteOf(this.#messages), options);
    });
  }

  /**
   * Puts another message in the place of the one at `index` of {@link Chat.messages}, and takes back all behind it; a text
   * keeps the message's role. Gives what was taken back, the message itself first. `send()` then answers a message of the
   * user or results of tools, {@link Chat.continue} goes on with one of the assistant. What stands before is not read again.
   * To change one message and keep what followed, see {@link Chat.setMessages}.
   *
   * Throws ERR_INVALID_ARGUMENT, ERR_SESSION_BUSY while an answer runs, ERR_DISPOSED.
   */
  edit(index: number, message: string | ModelMessage): readonly ModelMessage[] {
    return syncFromCaller(() => {
      this.#assertUsable();
      return this.#cut(index, checkEdit(this.#messages, index, message));
    });
  }

  /** Ends the messages at `index`, with another one; gives those that are gone. */
  #cut(index: number, ...others: readonly ModelMessage[]): readonly ModelMessage[] {
    const gone = this.#messages.slice(index);
    this.#messages = [...this.#messages.slice(0, index), ...others];
    return gone;
  }

  /** Stops the answer that runs, and gives the session back. Idempotent. */
  async dispose(): Promise<void> {
    this.#disposed = true;
    this.#running?.abort(createError("ERR_DISPOSED", "the chat was disposed", {}));
    await this.#running?.finished.catch(() => {});
    const session = await this.#session?.catch(() => undefined);
    await session?.dispose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  #assertUsable(): void {
    if (this.disposed) throw createError("ERR_DISPOSED", "the chat was disposed", {});
    if (this.#running)
      throw createError("ERR_SESSION_BUSY", "the chat is busy with another answer; await it first", {});
  }

  #assertAnswerable(): void {
    this.#assertUsable();
    const role = this.#messages.at(-1)?.role;
    if (role !== "user" && role !== "tool")
      throw createError("ERR_STAGE_ORDER", "there is no message to answer", { stage: role ?? "empty" });
  }

  #send(input: readonly ModelMessage[], options: SendOptions, continues: boolean): ChatStream {
    this.#assertUsable();
    const site = callSite();
    const own: ChatDefaults = { ...withoutUndefined(this.#options), ...withoutUndefined(options) };
    // What can be refused is refused before anything runs.
    const { tools, toolChoice } = chosenTools(own.tools ?? {}, own.toolChoice ?? "auto");
    if (options.writer !== undefined) writerNumber(this.pair.info.writers, options.writer);
    const { schema } = options;
    if (options.grammar !== undefined && Object.keys(tools).length > 0)
      throw refusedArgument("options.grammar", "expected none beside tools", "one");
    const request: Omit<NativeChatRequest, "messages"> = {
      ...{ tools: toolsJson(tools), toolChoice, schema: schemaText(schema) },
      parallelToolCalls: own.parallelToolCalls ?? true,
      thinking: own.reasoning !== false,
      continuesAnswer: continues,
      variableNames: Object.keys(this.#options.templateVariables ?? {}),
      variableValues: Object.values(this.#options.templateVariables ?? {}).map((value) =>
        JSON.stringify(value ?? null),
      ),
    };
    const before = this.#messages;
    const stream = makeChatStream(async (emit, signal) => {
      try {
        return await new AnswerRun(
          this.pair,
          () => this.#opened(options.priority, signal),
          this.#options.template ?? "",
          {
            ...{ before, input, request, tools, options, defaults: own, emit, signal },
          },
        ).run((messages) => {
          this.#messages = messages;
        });
      } catch (error) {
        this.#messages = before;
        throw placedAt(site, error);
      } finally {
        this.#running = undefined;
      }
    }, options.signal);
    this.#running = stream;
    return stream;
  }

  /** The chat's session. One that could not be had is asked for again the next time. */
  async #opened(priority: number | undefined, signal: AbortSignal): Promise<Session> {
    while (true) {
      this.#session ??= this.#ask(priority, signal);
      const asked = this.#session;
      const session = await asked;
      if (!isLost(session)) return session;
      // It went away with its host. In another one everything is read again.
      if (this.#session === asked) this.#session = undefined;
      await session.dispose();
    }
  }

  #ask(priority: number | undefined, signal: AbortSignal): Promise<Session> {
    const { writer, cacheKey } = this.#options;
    const session = this.pair.createSession({ priority, signal, writer, cacheKey });
    session.catch(() => {
      this.#session = undefined;
    });
    return session;
  }
}

const withoutUndefined = <Options extends object>(options: Options): Options =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Options;

function schemaText(schema: AnySchema | undefined): string {
  if (schema === undefined) return "";
  return JSON.stringify(grammarSchema(jsonSchemaOf(schema, "options.schema")));
}
