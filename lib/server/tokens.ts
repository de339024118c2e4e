/** `/tokenize`, `/detokenize`, `/apply-template` and the count of a chat's tokens: what a model makes of texts. */

import { parseBody } from "./body.js";
import { toChatRequest } from "./chat-request.js";
import type { Exchange } from "./exchange.js";
import { TokenTexts } from "./figures.js";
import { render } from "./rendering.js";
import { chatSchema, detokenizeSchema, refusedInChat, tokenizeSchema } from "./request-schemas.js";

export async function tokenize(exchange: Exchange): Promise<Response> {
  const body = parseBody(tokenizeSchema, exchange.body);
  const { pair } = await exchange.take(exchange.store.resolve(body.model));
  const tokens = await pair.tokenizeAsync(body.content, {
    addSpecial: body.add_special ?? false,
    parseSpecial: body.parse_special ?? true,
  });
  if (body.with_pieces !== true) return Response.json({ tokens });
  const pieces = await new TokenTexts(pair).of(tokens);
  return Response.json({ tokens: tokens.map((id, i) => ({ id, piece: pieces[i] })) });
}

export async function detokenize(exchange: Exchange): Promise<Response> {
  const body = parseBody(detokenizeSchema, exchange.body);
  const { pair } = await exchange.take(exchange.store.resolve(body.model));
  return Response.json({ content: await pair.detokenizeAsync(body.tokens, { special: true }) });
}

async function rendered(exchange: Exchange) {
  const body = parseBody(chatSchema, exchange.body, refusedInChat);
  const named = exchange.store.resolve(body.model);
  const model = await exchange.take(named);
  return render(model, await toChatRequest(body, named, model));
}

export const applyTemplate = async (exchange: Exchange): Promise<Response> =>
  Response.json({ prompt: (await rendered(exchange)).text });

export const inputTokens = async (exchange: Exchange): Promise<Response> =>
  Response.json({ object: "response.input_tokens", input_tokens: (await rendered(exchange)).tokens.length });
