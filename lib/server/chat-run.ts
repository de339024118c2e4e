/** Answers of chats, on the sessions of a model. */

import { Chat, type ChatAnswer, type ChatPart, type ChatStream, type ModelMessage } from "../chat/index.js";
import { seedOf } from "./answer-options.js";
import { Channel } from "./channel.js";
import type { ChatRequest } from "./chat-request.js";
import type { Exchange } from "./exchange.js";
import type { LoadedModel } from "./model-store.js";

/** By what the prompts of sessions are compared. Tools come first, as they do in most templates. */
const textOf = ({ options, templateVariables }: ChatRequest, messages: readonly ModelMessage[]): string =>
  JSON.stringify([templateVariables, options.tools, messages]);

/** Answers the last message, or goes on with it if it is the assistant's. */
function answerIn(chat: Chat, messages: readonly ModelMessage[], options: ChatRequest["options"]): ChatStream {
  const last = messages.at(-1);
  if (last?.role !== "assistant") {
    chat.setMessages(messages.slice(0, -1));
    return chat.send(last ?? [], options);
  }
  chat.setMessages(messages);
  return chat.continue(options);
}

/** Begins an answer as soon as a session is free; it goes on by itself, whether or not its parts are read. */
export function beginAnswer(
  { pool, pair, template }: LoadedModel,
  asked: ChatRequest,
  { caller: { cacheKey }, signal }: Pick<Exchange, "caller" | "signal">,
): Promise<ChatStream> {
  return new Promise((resolve, reject) => {
    const { messages, options, templateVariables } = asked;
    const work = async (session: ConstructorParameters<typeof Chat>[2]) => {
      // The chat is not disposed: the session is the pool's.
      const chat = new Chat(pair, { template, templateVariables }, session);
      const stream = answerIn(chat, messages, { ...options, signal });
      resolve(stream);
      await stream.finished.catch(() => {});
      return textOf(asked, chat.messages);
    };
    pool.use({ text: textOf(asked, messages), cacheKey, signal }, work).catch(reject);
  });
}

const nth = (asked: ChatRequest, index: number): ChatRequest => ({
  ...asked,
  options: { ...asked.options, seed: seedOf(asked.options.seed, index) },
});

/** All answers to a request. If one fails, the others are stopped. */
export async function wholeAnswers(
  model: LoadedModel,
  asked: ChatRequest,
  exchange: Exchange,
  n: number,
): Promise<readonly ChatAnswer[]> {
  try {
    const answers = await Promise.all(
      Array.from({ length: n }, async (_, index) => {
        const stream = await beginAnswer(model, nth(asked, index), exchange);
        return stream.finished;
      }),
    );
    exchange.signal.throwIfAborted();
    return answers;
  } catch (error) {
    exchange.abort(error);
    throw error;
  }
}

/** A part of one of the answers, or its end. */
export type AnswerEvent =
  | { readonly index: number; readonly part: ChatPart }
  | { readonly index: number; readonly answer: ChatAnswer };

/** All answers to a request as they come. */
export async function* answerEvents(
  model: LoadedModel,
  asked: ChatRequest,
  exchange: Exchange,
  n: number,
): AsyncGenerator<AnswerEvent, void> {
  const channel = new Channel<AnswerEvent>();
  let left = n;
  const run = async (index: number) => {
    const stream = await beginAnswer(model, nth(asked, index), exchange);
    for await (const part of stream) channel.push({ index, part });
    channel.push({ index, answer: await stream.finished });
    left--;
    if (left > 0) return;
    channel.end();
    // The model tells the texts of tokens.
    if (asked.options.logProbs === undefined) exchange.giveBackModel();
  };
  for (let index = 0; index < n; index++)
    run(index).catch((error: unknown) => {
      exchange.abort(error);
      channel.end({ error });
    });
  yield* channel;
}
