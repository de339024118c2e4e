/** One answer of a chat on its way: runs of the model, and of tools between them. */

import type { DecodeOptions } from "../engine/options.js";
import { type Pair, renderChat } from "../engine/pair.js";
import type { Session } from "../engine/session.js";
import { createError } from "../errors/create-error.js";
import type { NativeChatRequest } from "../internal/binding-types.js";
import { type ChatAnswer, type ChatPart, type ChatStep, totalUsage } from "./answer.js";
import { runStep, type StepOutcome } from "./chat-step.js";
import { validate } from "./json-schema.js";
import {
  type AssistantMessage,
  type ModelMessage,
  messagesJson,
  type ToolCallPart,
  type ToolResultPart,
} from "./messages.js";
import type { ChatDefaults, SendOptions } from "./options.js";
import { fitChat } from "./overflow.js";
import { messageOf, runTool, type Tools } from "./tools.js";
import { sendNames } from "./validation.js";

/** Tokens that a chat leaves free for its answer, if nothing else is asked for. */
const usualRoom = 64;

function decodeOptionsOf(options: SendOptions): DecodeOptions {
  const decode: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(options)) if (!sendNames.has(name)) decode[name] = value;
  delete decode.signal;
  return decode;
}

/** What an answer is asked for, checked. */
export interface AnswerRequest {
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
export class AnswerRun {
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
    if (this.#added.length === 0 || this.#messages.at(-1)?.role === "user") this.#takeBack();
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

  /** Nothing was said: the chat is as it was, dropped turns included, but for results of tools that were handed over. */
  #takeBack(): void {
    const { before, input } = this.#asked;
    this.#messages = input.at(-1)?.role === "tool" ? [...before, ...input] : before;
    this.#added = [];
    this.#droppedMessages = 0;
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
    const run = async () =>
      runStep({
        ...{ session: await this.#open(), rendered: fitting.rendered, decode: decodeOptionsOf(options), emit, signal },
        reasoning: defaults.reasoning ?? true,
        asObject: options.schema !== undefined,
      });
    const outcome = await run().catch((error: unknown) => {
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
      // A result that comes after an abort is not kept.
      if (!signal.aborted) emit(result);
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
