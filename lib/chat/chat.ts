/** A conversation with a pair: messages in, text, reasoning, tool calls and objects out. */

import type { DecodeOptions } from "../engine/options.js";
import { type Pair, renderChat } from "../engine/pair.js";
import type { Session } from "../engine/session.js";
import { createError } from "../errors/create-error.js";
import type { NativeChatRequest } from "../internal/binding-types.js";
import { callSite, placedAt, syncFromCaller } from "../internal/caller-stack.js";
import { refusedArgument } from "../internal/check-options.js";
import { type ChatAnswer, type ChatPart, type ChatStep, totalUsage } from "./answer.js";
import { runStep, type StepOutcome } from "./chat-step.js";
import { type ChatStream, makeChatStream } from "./chat-stream.js";
import { grammarSchema } from "./grammar-schema.js";
import { type AnySchema, jsonSchemaOf, type StandardSchema, validate } from "./json-schema.js";
import {
  type AssistantMessage,
  type ModelMessage,
  messagesJson,
  type ToolCallPart,
  type ToolResultPart,
  toolCallsOf,
} from "./messages.js";
import type { ChatDefaults, ChatOptions, SendOptions, ToolChoice } from "./options.js";
import { fitChat } from "./overflow.js";
import { messageOf, runTool, type Tools, toolsJson } from "./tools.js";
import { checkChatOptions, checkInput, checkMessages, checkSendOptions } from "./validation.js";

/** What is said to the model: a text of the user, a message (of the user, or with the results of tools), or several. */
export type ChatInput = string | ModelMessage | readonly ModelMessage[];

/** Tokens that a chat leaves free for its answer, if nothing else is asked for. */
const usualRoom = 64;

const turnedOff = new Set(["tools", "toolChoice", "parallelToolCalls", "maxSteps", "reasoning", "overflow", "schema"]);

function decodeOptionsOf(options: SendOptions): DecodeOptions {
  const decode: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(options)) if (!turnedOff.has(name)) decode[name] = value;
  delete decode.signal;
  return decode;
}

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

  /** For {@link Pair.chat}, which says what it throws. */
  constructor(pair: Pair, options: ChatOptions = {}) {
    this.pair = pair;
    this.#options = checkChatOptions(options);
    const { system, history = [] } = this.#options;
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
   * written, except for calls without results.
   *
   * Throws ERR_INVALID_ARGUMENT, ERR_SESSION_BUSY or ERR_DISPOSED at once. The stream fails with
   * - ERR_MODEL_UNSUPPORTED for a model without a chat template, or with one that cannot be parsed or has no bounds;
   * - ERR_INVALID_ARGUMENT for messages that the template refuses, and for such a template given by the caller;
   * - ERR_SCHEMA_UNSUPPORTED, with the keyword, for a schema that a grammar cannot say;
   * - ERR_CONTEXT_OVERFLOW where `overflow` finds no way out;
   * - ERR_SESSION_LIMIT, and what the stages of a session fail with.
   */
  send<Output>(
    message: ChatInput,
    options: SendOptions<Output> & { readonly schema: StandardSchema<Output> },
  ): ChatStream<Output>;
  send(message: ChatInput, options?: SendOptions): ChatStream;
  send(message: ChatInput, options: SendOptions = {}): ChatStream {
    return syncFromCaller(() => this.#send(checkInput(message, this.#messages), checkSendOptions(options), false));
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

  /** Takes back the last message of the user and all behind it. False if there is none. Throws ERR_SESSION_BUSY. */
  undo(): boolean {
    return syncFromCaller(() => {
      this.#assertUsable();
      const at = this.#messages.findLastIndex(({ role }) => role === "user");
      if (at >= 0) this.#messages = this.#messages.slice(0, at);
      return at >= 0;
    });
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

  #send(input: readonly ModelMessage[], options: SendOptions, continues: boolean): ChatStream {
    this.#assertUsable();
    const site = callSite();
    const own: ChatDefaults = { ...withoutUndefined(this.#options), ...withoutUndefined(options) };
    // What can be refused is refused before anything runs.
    const { tools, toolChoice } = chosenTools(own.tools ?? {}, own.toolChoice ?? "auto");
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
        return await new Answer(this.pair, () => this.#opened(), this.#options.template ?? "", {
          ...{ before, input, request, tools, options, defaults: own, emit, signal },
        }).run((messages) => {
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
  #opened(): Promise<Session> {
    this.#session ??= this.pair.createSession();
    this.#session.catch(() => {
      this.#session = undefined;
    });
    return this.#session;
  }
}

const withoutUndefined = <Options extends object>(options: Options): Options =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Options;

function schemaText(schema: AnySchema | undefined): string {
  if (schema === undefined) return "";
  return JSON.stringify(grammarSchema(jsonSchemaOf(schema, "options.schema")));
}

interface AnswerRequest {
  readonly before: readonly ModelMessage[];
  readonly input: readonly ModelMessage[];
  readonly request: Omit<NativeChatRequest, "messages">;
  readonly tools: Tools;
  readonly options: SendOptions;
  readonly defaults: ChatDefaults;
  readonly emit: (part: ChatPart) => void;
  readonly signal: AbortSignal;
}

/** One answer on its way: runs of the model, and of tools between them. */
class Answer {
  readonly #pair: Pair;
  readonly #open: () => Promise<Session>;
  readonly #template: string;
  readonly #asked: AnswerRequest;
  #messages: readonly ModelMessage[];
  #added: ModelMessage[] = [];
  #droppedMessages = 0;

  /** @param open gives the session, which is not asked for until there is something to read */
  constructor(pair: Pair, open: () => Promise<Session>, template: string, asked: AnswerRequest) {
    this.#pair = pair;
    this.#open = open;
    this.#template = template;
    this.#asked = asked;
    this.#messages = [...asked.before, ...asked.input];
  }

  /** @param keep gets the chat's messages when the answer has ended */
  async run(keep: (messages: readonly ModelMessage[]) => void): Promise<ChatAnswer> {
    const { emit, signal, defaults } = this.#asked;
    const steps: ChatStep[] = [];
    let logProbs: StepOutcome["logProbs"] = [];
    while (true) {
      const messagesBefore = this.#messages;
      const outcome = await this.#step(steps.length === 0);
      // Stopped while it read.
      if (!outcome) break;
      logProbs = outcome.logProbs;
      const { step } = outcome;
      const toolResults = await this.#runTools(step.toolCalls, steps.length + 1 < (defaults.maxSteps ?? 8));
      steps.push({ ...step, toolResults: toolResults ?? [] });
      if (signal.aborted && step.toolCalls.length > 0) {
        // Half an exchange is none.
        this.#messages = messagesBefore;
        this.#added = this.#added.filter((message) => messagesBefore.includes(message));
      }
      if (!toolResults || signal.aborted) break;
    }
    const last = steps.at(-1);
    const finishReason = signal.aborted || !last ? "abort" : last.finishReason;
    if (this.#messages.at(-1)?.role === "user") this.#messages = this.#asked.before;
    const usage = totalUsage(steps);
    const object = finishReason === "stop" ? await this.#object(last?.text ?? "") : undefined;
    keep(this.#messages);
    emit({ type: "finish", finishReason, usage });
    return {
      ...{ text: last?.text ?? "", reasoning: last?.reasoning ?? "", toolCalls: last?.toolCalls ?? [], object },
      ...{ finishReason, usage, steps, messages: this.#added, droppedMessages: this.#droppedMessages },
      ...(logProbs.length > 0 && { logProbs }),
    };
  }

  /** One run of the model; adds what it said to the messages. Undefined: it was stopped before it could say anything. */
  async #step(isFirst: boolean): Promise<StepOutcome | undefined> {
    const { request, options, defaults, emit, signal } = this.#asked;
    const continuesAnswer = request.continuesAnswer && isFirst;
    const { contextSize } = this.#pair.info;
    const room = contextSize - Math.min(options.maxTokens ?? usualRoom, usualRoom, contextSize >> 1);
    const fitting = await fitChat(this.#messages, room, defaults.overflow ?? "error", (messages) =>
      renderChat(this.#pair, this.#template, {
        ...{ ...request, continuesAnswer, messages: messagesJson(messages) },
        // A call was demanded, and was made: with its result the model may answer.
        toolChoice: request.toolChoice === "required" && !isFirst ? "auto" : request.toolChoice,
      }),
    );
    this.#droppedMessages += this.#messages.length - fitting.messages.length;
    this.#messages = fitting.messages;
    const session = await this.#open();
    const outcome = await runStep({
      ...{ session, rendered: fitting.rendered, decode: decodeOptionsOf(options), emit, signal },
      reasoning: defaults.reasoning ?? true,
      asObject: options.schema !== undefined,
    }).catch((error: unknown) => {
      if (signal.aborted && error === signal.reason) return undefined;
      throw error;
    });
    if (outcome) this.#add(outcome.step, continuesAnswer);
    return outcome;
  }

  #add({ text, reasoning, toolCalls }: StepOutcome["step"], continuesAnswer: boolean): void {
    const last = this.#messages.at(-1);
    const begun = continuesAnswer && last?.role === "assistant" ? last : undefined;
    const content: Exclude<AssistantMessage["content"], string>[number][] = begun ? [...partsOf(begun)] : [];
    if (reasoning !== "") content.push({ type: "reasoning", text: reasoning });
    if (text !== "") content.push({ type: "text", text });
    content.push(...toolCalls);
    if (content.length === 0) return;
    const message: AssistantMessage = { role: "assistant", content: joined(content) };
    this.#messages = [...(begun ? this.#messages.slice(0, -1) : this.#messages), message];
    this.#added.push(message);
  }

  /** Undefined: the answer ends here, with calls that are the caller's to run or without any. */
  async #runTools(calls: readonly ToolCallPart[], goesOn: boolean): Promise<readonly ToolResultPart[] | undefined> {
    const { tools, emit, signal } = this.#asked;
    const runs = (call: ToolCallPart) => !Object.hasOwn(tools, call.toolName) || tools[call.toolName]?.execute;
    if (calls.length === 0 || signal.aborted || !goesOn || !calls.every(runs)) return undefined;
    const messages = this.#messages;
    const running = calls.map(async (call) => {
      const result = await runTool(tools, call, { toolCallId: call.toolCallId, messages, signal });
      emit(result);
      return result;
    });
    const results = await Promise.race([Promise.all(running), aborted(signal)]);
    if (!results) return undefined;
    const message = { role: "tool", content: results } as const;
    this.#messages = [...this.#messages, message];
    this.#added.push(message);
    return results;
  }

  async #object(text: string): Promise<unknown> {
    const { schema } = this.#asked.options;
    if (schema === undefined) return undefined;
    const mismatch = (issues: string) =>
      createError("ERR_SCHEMA_MISMATCH", `the answer does not keep to the schema: ${issues}`, { text, issues });
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (error) {
      // A stop string, or a template whose format has no place for the schema.
      throw mismatch(messageOf(error));
    }
    const checked = await validate(schema, value);
    if (checked.issues !== undefined) throw mismatch(checked.issues);
    return checked.value;
  }
}

const partsOf = ({ content }: AssistantMessage) =>
  typeof content === "string" ? [{ type: "text", text: content } as const] : content;

/** Neighbours of one kind as one; a plain text as a string. */
function joined(parts: readonly Exclude<AssistantMessage["content"], string>[number][]): AssistantMessage["content"] {
  const out: Exclude<AssistantMessage["content"], string>[number][] = [];
  for (const part of parts) {
    const last = out.at(-1);
    if (last && last.type === part.type && last.type !== "tool-call" && part.type !== "tool-call")
      out[out.length - 1] = { ...last, text: last.text + part.text };
    else out.push(part);
  }
  const [only] = out;
  return out.length === 1 && only?.type === "text" ? only.text : out;
}

/** Resolves with nothing when the signal fires. */
function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    else signal.addEventListener("abort", () => resolve(undefined), { once: true });
  });
}
