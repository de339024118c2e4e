/** The commands of a conversation. */

import type { Chat, ChatStep, ModelMessage } from "../../../chat/index.js";
import { UsageError } from "../../exit.js";
import { writeOutput } from "../../outputs.js";
import { readTextFile } from "../../prompt-source.js";
import type { Transcript } from "../../transcript.js";
import { toJson, visibleLines } from "../../visible.js";
import { renderHelp, renderStats } from "./render.js";

/** What commands work on. */
export interface Conversation {
  readonly chat: Chat;
  readonly transcript: Transcript;
  readonly signal: AbortSignal;
  /** The last run of the model. */
  lastStep: ChatStep | undefined;
}

interface SlashCommand {
  readonly usage: string;
  readonly help: string;
  run(conversation: Conversation, argument: string): Promise<WhatNext>;
}

/** "exit" ends the conversation, "answer" has its last message answered. */
export type WhatNext = "exit" | "answer" | undefined;

const commands: Readonly<Record<string, SlashCommand>> = {
  stats: {
    usage: "/stats",
    help: "how the last answer went, and how full the context is",
    async run({ chat, transcript, lastStep }) {
      if (lastStep) await transcript.say(renderStats(lastStep, chat.messages.length, chat.pair.info));
      else await transcript.say("There is no answer yet.");
      return undefined;
    },
  },
  save: {
    usage: "/save FILE",
    help: "write the messages to a file, as JSON",
    async run({ chat, signal, transcript }, file) {
      await writeOutput(needed(file, "/save FILE"), `${toJson(chat.messages, 2)}\n`, signal);
      await transcript.note(`${chat.messages.length} messages are in ${file}`);
      return undefined;
    },
  },
  load: {
    usage: "/load FILE",
    help: "go on with the messages in such a file",
    async run(conversation, file) {
      const { chat, signal, transcript } = conversation;
      const text = await readTextFile(needed(file, "/load FILE"), signal);
      try {
        chat.setMessages(JSON.parse(text) as readonly ModelMessage[]);
      } catch (error) {
        throw new UsageError(`${file} holds no messages: ${(error as Error).message}`);
      }
      await transcript.note(`${chat.messages.length} messages are loaded`);
      return undefined;
    },
  },
  undo: {
    usage: "/undo",
    help: "take back your last message and its answer",
    async run({ chat, transcript }) {
      await transcript.note(chat.undo() ? "your last message is taken back" : "there is no message to take back");
      return undefined;
    },
  },
  edit: {
    usage: "/edit TEXT",
    help: "say TEXT in place of your last message, and have it answered",
    run: async ({ chat, transcript }, text) => changeLast(chat, transcript, needed(text, "/edit TEXT")),
  },
  again: {
    usage: "/again",
    help: "have your last message answered again",
    run: async ({ chat, transcript }) => changeLast(chat, transcript),
  },
  system: {
    usage: "/system TEXT",
    help: "change the system's message; without TEXT, show it",
    async run({ chat, transcript }, content) {
      const [first, ...others] = chat.messages;
      const system = first?.role === "system" ? first : undefined;
      if (content === "") await transcript.say(visibleLines(system?.content ?? "There is no system message."));
      else chat.setMessages([{ role: "system", content }, ...(system ? others : chat.messages)]);
      return undefined;
    },
  },
  help: {
    usage: "/help",
    help: "this list",
    async run({ transcript }) {
      await transcript.say(renderHelp(Object.values(commands).map(({ usage, help }) => [usage, help])));
      return undefined;
    },
  },
  exit: { usage: "/exit", help: "end the conversation; so does Ctrl-D", run: async () => "exit" },
};

async function changeLast(chat: Chat, transcript: Transcript, text?: string): Promise<WhatNext> {
  const at = chat.messages.findLastIndex(({ role }) => role === "user");
  const last = chat.messages[at];
  if (last) chat.edit(at, text ?? last);
  else await transcript.note("you have not said anything yet");
  return last && "answer";
}

function needed(argument: string, usage: string): string {
  if (argument === "") throw new UsageError(`expected ${usage}`);
  return argument;
}

/** Runs a line that begins with a slash. Throws a UsageError for one that is no command. */
export function runSlashCommand(line: string, conversation: Conversation): Promise<WhatNext> {
  const [, name = "", argument = ""] = /^\/(\S*)\s*(.*?)\s*$/s.exec(line) ?? [];
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (!command) throw new UsageError(`there is no command /${name}: /help lists them`);
  return command.run(conversation, argument);
}
