/** A pair as a language model of the AI SDK. */

import type { Chat, ChatAnswer, ChatPart, ChatStream, ModelMessage, SendOptions, Tools } from "../chat/index.js";
import { type CallSettings, callSettings, type OverfillCallOptions } from "./call-settings.js";
import type { ChatPool, ChatSettings } from "./chat-pool.js";
import { chatMessages } from "./prompt.js";
import { answerMetadata, modelFinishReason, modelUsage, unknownUsage } from "./results.js";
import type { CallOptions, GenerateResult, LanguageModel, StreamPart, StreamResult } from "./specification.js";
import { StreamParts, toolCallOf } from "./stream-parts.js";

/** What the models of a provider are made of. */
export interface ModelParts {
  readonly pool: ChatPool;
  readonly settings: ChatSettings;
  /** Options of every call. */
  readonly defaults: OverfillCallOptions;
}

/** An answer that has begun. */
interface Begun extends Pick<CallSettings, "warnings"> {
  readonly stream: ChatStream;
  readonly parts: AsyncIterator<ChatPart, void>;
  /** The first of them, which had to come before anything could be said of the call. */
  readonly first: IteratorResult<ChatPart, void>;
}

/** For {@link createOverfill} only. */
export class OverfillLanguageModel implements LanguageModel {
  readonly specificationVersion = "v3";
  readonly provider = "overfill";
  readonly modelId: string;
  /** None: files are refused, wherever they are. */
  readonly supportedUrls = {};
  readonly #made: ModelParts;

  constructor(modelId: string, made: ModelParts) {
    this.modelId = modelId;
    this.#made = made;
  }

  async doGenerate(call: CallOptions): Promise<GenerateResult> {
    const { stream, parts, first, warnings } = await this.#begin(call);
    for (let next = first; !next.done; ) next = await parts.next();
    const answer = await stream.finished;
    return { content: contentOf(answer), ...figuresOf(answer), warnings };
  }

  /** Rejects with what goes wrong before the answer begins; what does later is a part of the stream. */
  async doStream(call: CallOptions): Promise<StreamResult> {
    const begun = await this.#begin(call);
    return { stream: streamOf(begun, call.abortSignal) };
  }

  #begin(call: CallOptions): Promise<Begun> {
    const { pool, settings, defaults } = this.#made;
    return new Promise((resolve, reject) => {
      const { options, warnings } = callSettings(call, defaults);
      const messages = chatMessages(call.prompt);
      const answer = async (chat: Chat) => {
        const stream = answerIn(chat, messages, options);
        const parts = stream[Symbol.asyncIterator]();
        const first = await parts.next();
        resolve({ stream, parts, first, warnings });
        // The chat is free when nothing runs in it any more, whether or not the parts are read.
        await stream.finished.catch(() => {});
      };
      pool.use({ settings, tools: shownTools(options), messages }, options, answer).catch(reject);
    });
  }
}

/** The tools that the template gets: one that has to be called is the only one. */
function shownTools({ tools = {}, toolChoice }: SendOptions): Tools {
  const named = typeof toolChoice === "object" ? tools[toolChoice.tool] : undefined;
  return typeof toolChoice === "object" && named ? { [toolChoice.tool]: named } : tools;
}

/** Answers the last message, or goes on with it if it is the assistant's. */
function answerIn(chat: Chat, messages: readonly ModelMessage[], options: SendOptions): ChatStream {
  const last = messages.at(-1);
  if (last?.role !== "assistant") {
    chat.setMessages(messages.slice(0, -1));
    return chat.send(last ?? [], options);
  }
  chat.setMessages(messages);
  return chat.continue(options);
}

function contentOf({ reasoning, text, toolCalls }: ChatAnswer): GenerateResult["content"] {
  return [
    ...(reasoning === "" ? [] : [{ type: "reasoning", text: reasoning } as const]),
    ...(text === "" ? [] : [{ type: "text", text } as const]),
    ...toolCalls.map(toolCallOf),
  ];
}

const figuresOf = (answer: ChatAnswer) => ({
  finishReason: modelFinishReason(answer.finishReason),
  usage: modelUsage(answer.usage),
  providerMetadata: { overfill: answerMetadata(answer) },
});

function streamOf({ stream, parts, first, warnings }: Begun, signal: AbortSignal | undefined) {
  const made = new StreamParts();
  let next: IteratorResult<ChatPart, void> | undefined = first;
  const advance = async (controller: ReadableStreamDefaultController<StreamPart>) => {
    let told: StreamPart[] = [];
    while (told.length === 0) {
      const { done, value }: IteratorResult<ChatPart, void> = next ?? (await parts.next());
      next = undefined;
      told = value ? made.of(value) : [...made.end(), { type: "finish", ...figuresOf(await stream.finished) }];
      for (const part of told) controller.enqueue(part);
      if (done) controller.close();
    }
  };
  return new ReadableStream<StreamPart>({
    start(controller) {
      controller.enqueue({ type: "stream-start", warnings });
    },
    async pull(controller) {
      try {
        await advance(controller);
      } catch (error) {
        if (signal?.aborted && error === signal.reason) throw error;
        const finishReason = { unified: "error", raw: undefined } as const;
        const told: StreamPart[] = [
          { type: "error", error },
          { type: "finish", finishReason, usage: unknownUsage },
        ];
        for (const part of [...made.end(), ...told]) controller.enqueue(part);
        controller.close();
      }
    },
    cancel: () => stream.abort(),
  });
}
