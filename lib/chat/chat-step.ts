/** One run of the model in a chat: the chat rendered, read as far as it is new, and answered. */

import { randomInt } from "node:crypto";
import type { DecodeChunk, DecodeOptions } from "../engine/options.js";
import { type Pair, parseAnswer } from "../engine/pair.js";
import type { HandoverReport, PrefillResult } from "../engine/results.js";
import { type ChatDecodeOptions, decodeChat, type Session } from "../engine/session.js";
import type { NativeAnswerDelta, NativeRenderedChat } from "../internal/binding-types.js";
import type { ChatFinishReason, ChatPart, ChatStep } from "./answer.js";
import type { ToolCallPart } from "./messages.js";
import type { ReasoningOption } from "./options.js";
import { readPartialJson } from "./partial-json.js";

/** What a run of the model needs to know. */
export interface StepRequest {
  readonly session: Session;
  readonly rendered: NativeRenderedChat;
  readonly decode: DecodeOptions;
  readonly reasoning: ReasoningOption;
  /** Whether the text is JSON, whose value is told as it comes. */
  readonly asObject: boolean;
  readonly signal: AbortSignal;
  readonly emit: (part: ChatPart) => void;
}

/** A run, and the log-probabilities of its tokens if they were asked for. */
export interface StepOutcome {
  readonly step: Omit<ChatStep, "toolResults">;
  readonly logProbs: NonNullable<DecodeChunk["logProbs"]>;
}

const idLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/** Some templates insist on ids of nine letters and digits. */
const newCallId = () => Array.from({ length: 9 }, () => idLetters[randomInt(idLetters.length)]).join("");

interface CallInProgress {
  readonly toolCallId: string;
  toolName: string;
  json: string;
}

/** Puts together what the parser tells, and passes it on. */
class AnswerInProgress {
  text = "";
  reasoning = "";
  readonly calls: CallInProgress[] = [];
  readonly #emit: (part: ChatPart) => void;
  readonly #asObject: boolean;

  constructor(emit: (part: ChatPart) => void, asObject: boolean) {
    this.#emit = emit;
    this.#asObject = asObject;
  }

  add(delta: NativeAnswerDelta): void {
    if (delta.reasoning !== "") {
      this.reasoning += delta.reasoning;
      this.#emit({ type: "reasoning", text: delta.reasoning });
    }
    if (delta.text !== "") {
      this.text += delta.text;
      this.#emit({ type: "text", text: delta.text });
      const object = this.#asObject ? readPartialJson(this.text) : undefined;
      if (object !== undefined) this.#emit({ type: "object", object });
    }
    if (delta.toolIndex >= 0) this.#addCall(delta);
  }

  #addCall(delta: NativeAnswerDelta): void {
    let call = this.calls[delta.toolIndex];
    if (!call) {
      call = { toolCallId: delta.toolCallId || newCallId(), toolName: "", json: "" };
      this.calls[delta.toolIndex] = call;
    }
    call.toolName += delta.toolName;
    call.json += delta.toolInput;
    const { toolCallId, toolName } = call;
    this.#emit({ type: "tool-call-delta", toolCallId, toolName, inputDelta: delta.toolInput });
  }

  /** The calls whose input is whole. */
  finishedCalls(): ToolCallPart[] {
    const finished: ToolCallPart[] = [];
    for (const { toolCallId, toolName, json } of this.calls) {
      try {
        const input: unknown = json.trim() === "" ? {} : JSON.parse(json);
        finished.push({ type: "tool-call", toolCallId, toolName, input });
      } catch {
        // Cut short, or written without a grammar: there is nothing to call with.
      }
    }
    return finished;
  }
}

function chatOptionsOf(
  rendered: NativeRenderedChat,
  reasoning: ReasoningOption,
  grammar: string | undefined,
): ChatDecodeOptions {
  const { thinkingStart, thinkingEnds, generationPrompt } = rendered;
  const budget = typeof reasoning === "object" && rendered.supportsThinking && thinkingEnds.length > 0;
  return {
    preservedTokens: rendered.preservedTokens,
    // A grammar of the template's format begins with what the template puts before an answer; the caller's does not.
    ...(grammar === undefined && {
      grammarLazy: rendered.grammarLazy,
      grammarTriggers: rendered.grammarTriggers,
      generationPrompt,
    }),
    ...(budget && {
      reasoningBudget: {
        tokens: reasoning.budgetTokens,
        startTags: [thinkingStart],
        endTags: thinkingEnds,
        inside: thinkingStart !== "" && generationPrompt.trimEnd().endsWith(thinkingStart),
      },
    }),
  };
}

function decodeOptionsOf({ decode, rendered, signal }: StepRequest): DecodeOptions {
  const { stop, grammar = rendered.grammar, ...rest } = decode;
  const own = stop === undefined ? [] : typeof stop === "string" ? [stop] : stop;
  return {
    ...rest,
    stop: [...new Set([...own, ...rendered.stops])],
    ...(grammar !== "" && { grammar }),
    signal,
  };
}

const reasons = { eos: "stop", stop: "stop", length: "length", context: "context", abort: "abort" } as const;

/** A chunk may hold the end of the reasoning and the beginning of the text, so the tokens of chunks do not tell. */
const tokensOf = async (pair: Pair, text: string) => (text === "" ? 0 : (await pair.tokenizeAsync(text)).length);

/** Reads and answers. An abort of the signal is an outcome, not an error: what was written until then counts. */
export async function runStep(request: StepRequest): Promise<StepOutcome> {
  const { session, rendered, signal, emit } = request;
  const prefill: PrefillResult = await session.prefill(rendered.tokens, {
    replace: true,
    deterministic: request.decode.deterministic,
    priority: request.decode.priority,
    signal,
  });
  const handover: HandoverReport = await session.switch({ signal, writer: request.decode.writer });
  const answer = new AnswerInProgress(emit, request.asObject);
  const stream = decodeChat(
    session,
    decodeOptionsOf(request),
    chatOptionsOf(rendered, request.reasoning, request.decode.grammar),
  );
  const logProbs: NonNullable<DecodeChunk["logProbs"]>[number][] = [];
  let completionTokens = 0;
  const read = async (more: string, isLast: boolean) => {
    for (const delta of await parseAnswer(session.pair, rendered.parser, more, isLast)) answer.add(delta);
  };
  try {
    for await (const chunk of stream) {
      completionTokens += chunk.tokens.length;
      logProbs.push(...(chunk.logProbs ?? []));
      await read(chunk.text, false);
    }
  } catch (error) {
    if (!signal.aborted || error !== signal.reason) throw error;
  }
  const decode = await stream.result;
  const ended = decode.reason === "eos" || decode.reason === "stop";
  await read("", ended);
  const toolCalls = decode.reason === "abort" ? [] : answer.finishedCalls();
  for (const call of toolCalls) emit(call);
  const finishReason: ChatFinishReason = ended && toolCalls.length > 0 ? "tool-calls" : reasons[decode.reason];
  const { refreshedTokens } = prefill;
  const usage = {
    promptTokens: rendered.tokens.length,
    cachedTokens: prefill.keptTokens - refreshedTokens + prefill.cachedTokens,
    refreshedTokens: refreshedTokens + decode.refreshedTokens,
    completionTokens,
    reasoningTokens: Math.min(completionTokens, await tokensOf(session.pair, answer.reasoning)),
  };
  emit({ type: "finish-step", finishReason, usage });
  const { text } = answer;
  return {
    step: { text, reasoning: answer.reasoning, toolCalls, finishReason, usage, prefill, handover, decode },
    logProbs,
  };
}
