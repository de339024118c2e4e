/**
 * What survives a reload of the page: the browser's session storage, which ends with the tab. The API key, the settings and
 * the conversation are nowhere else.
 */

import type { Message } from "./messages.js";
import { readSettings, type Settings } from "./settings.js";

const names = { key: "overfill.key", settings: "overfill.settings", messages: "overfill.messages" } as const;

export interface Store {
  key: string;
  settings: Settings;
  messages: readonly Message[];
}

/** Messages that were stored. An answer that was being written when the page went counts as stopped. */
function readMessages(stored: unknown): readonly Message[] {
  if (!Array.isArray(stored)) return [];
  return (stored as readonly Message[]).map((message) =>
    message.role === "assistant" && message.state === "streaming" ? { ...message, state: "stopped" } : message,
  );
}

/** What is needed of the web's `Storage`. */
export interface TextStorage {
  getItem(name: string): string | null;
  setItem(name: string, text: string): void;
  removeItem(name: string): void;
}

/** @param storage undefined where the browser has none, as with cookies forbidden: then nothing survives */
export function createStore(storage: TextStorage | undefined): Store {
  const kept = new Map<string, string>();

  function read(name: string): unknown {
    try {
      const text = kept.get(name) ?? storage?.getItem(name) ?? null;
      return text === null ? undefined : JSON.parse(text);
    } catch {
      return undefined;
    }
  }

  function write(name: string, value: unknown): void {
    const text = JSON.stringify(value);
    kept.set(name, text);
    try {
      storage?.setItem(name, text);
    } catch {
      // Full. What is stored is older than what is shown, so it must go.
      storage?.removeItem(name);
    }
  }

  return {
    get key() {
      const key = read(names.key);
      return typeof key === "string" ? key : "";
    },
    set key(key) {
      write(names.key, key);
    },
    get settings() {
      return readSettings(read(names.settings));
    },
    set settings(settings) {
      write(names.settings, settings);
    },
    get messages() {
      return readMessages(read(names.messages));
    },
    set messages(messages) {
      write(names.messages, messages);
    },
  };
}
