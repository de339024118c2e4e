/** Restores a chat: a saved session whose note is the chat's messages. */

import { type Pair, restoreNoted } from "../engine/pair.js";
import type { RestoreOptions } from "../engine/saved-session-options.js";
import { createError } from "../errors/create-error.js";
import { refusedArgument } from "../internal/check-options.js";
import { Chat } from "./chat.js";
import { messagesOf } from "./chat-note.js";
import type { ChatOptions } from "./options.js";
import { checkChatOptions } from "./validation.js";

/**
 * Options of {@link Pair.restoreChat}: what a chat has beside its messages, its writer and its key, which are in the file, and of the
 * call for the session's place.
 */
export interface RestoreChatOptions
  extends Omit<ChatOptions, "system" | "history" | "writer" | "cacheKey">,
    RestoreOptions {}

/** Opens a saved chat; what it throws, {@link Pair.restoreChat} says. */
export async function openSavedChat(
  pair: Pair,
  file: string | URL,
  { priority, signal, ...options }: RestoreChatOptions,
): Promise<Chat> {
  for (const name of ["system", "history", "writer", "cacheKey"])
    if ((options as Record<string, unknown>)[name] !== undefined)
      throw refusedArgument(`options.${name}`, "no such option", "one");
  checkChatOptions(options);
  const { session, note } = await restoreNoted(pair, file, { priority, signal });
  try {
    const history = messagesOf(note);
    if (history !== undefined) return new Chat(pair, { ...options, history }, session);
    const reason = "it is no chat";
    throw createError("ERR_SAVED_SESSION_INVALID", `${file} cannot be restored: ${reason}`, {
      path: String(file),
      reason,
    });
  } catch (error) {
    await session.dispose();
    throw error;
  }
}
