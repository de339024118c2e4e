/** What becomes of a chat that does not fit into the context. */

import { createError } from "../errors/create-error.js";
import type { NativeRenderedChat } from "../internal/binding-types.js";
import type { ModelMessage } from "./messages.js";
import type { OverflowOption } from "./options.js";
import { checkMessages } from "./validation.js";

/** Where the turns begin: at each message of the user that does not follow another one. */
function turnsOf(messages: readonly ModelMessage[]): number[] {
  return messages.flatMap(({ role }, i) => (role === "user" && messages[i - 1]?.role !== "user" ? [i] : []));
}

function withoutOldestTurn(messages: readonly ModelMessage[]): readonly ModelMessage[] | undefined {
  const [first, second] = turnsOf(messages);
  if (first === undefined || second === undefined) return undefined;
  return [...messages.slice(0, first).filter(({ role }) => role === "system"), ...messages.slice(second)];
}

/** A chat that fits, and what is left of its messages. */
export interface FittingChat {
  readonly rendered: NativeRenderedChat;
  readonly messages: readonly ModelMessage[];
}

/**
 * Renders the chat, and drops turns, or asks the caller's function, until it fits.
 *
 * @param room tokens that a rendered chat may have
 */
export async function fitChat(
  messages: readonly ModelMessage[],
  room: number,
  overflow: OverflowOption,
  render: (messages: readonly ModelMessage[]) => Promise<NativeRenderedChat>,
): Promise<FittingChat> {
  let current = messages;
  let rendered = await render(current);
  let isAsked = false;
  while (rendered.tokens.length > room) {
    const shorter =
      overflow === "drop-oldest"
        ? withoutOldestTurn(current)
        : typeof overflow === "function" && !isAsked
          ? checkMessages(await overflow(current), "overflow")
          : undefined;
    if (!shorter)
      throw createError(
        "ERR_CONTEXT_OVERFLOW",
        `the chat's ${rendered.tokens.length} tokens do not fit: the context leaves ${room} for it`,
        { promptTokens: rendered.tokens.length, contextSize: room },
      );
    isAsked = true;
    current = shorter;
    rendered = await render(current);
  }
  return { rendered, messages: current };
}
