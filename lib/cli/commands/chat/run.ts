/** What `overfill chat` does: looks at what can be refused without a model, starts the servers, loads the pair, converses. */

import { checkChatOptions, checkSendOptions } from "../../../chat/validation.js";
import { demoPair } from "../../../engine/index.js";
import { toChatOptions } from "../../chat-flags.js";
import { readTemplate } from "../../chat-template.js";
import { demoNote } from "../../demo-note.js";
import { UsageError } from "../../exit.js";
import { openPair } from "../../open-pair.js";
import { toLoadOptions } from "../../pair-flags.js";
import { withPairFolder } from "../../pair-folder.js";
import { isDemo } from "../../prefill-flags.js";
import { Progress } from "../../progress.js";
import { listenForStop } from "../../stop-signals.js";
import { write } from "../../terminal.js";
import { ToolServers } from "../../tool-servers.js";
import { Transcript } from "../../transcript.js";
import { converse } from "./conversation.js";
import { type ChatCommandFlags, toSendOptions } from "./flags.js";
import { MessageLines } from "./message-lines.js";

export async function runChat(folder: string | undefined, asked: ChatCommandFlags): Promise<void> {
  const flags = await withPairFolder(folder, asked);
  if (isDemo(flags) && flags.decode !== undefined)
    throw new UsageError("--decode needs --prefill or --prefill-url: name what reads the messages");
  let answering: AbortController | undefined;
  const onInterrupt = () => {
    if (!answering || answering.signal.aborted) return false;
    answering.abort();
    return true;
  };
  const { signal, interrupt, release } = listenForStop({ onInterrupt });
  const quiet = flags.quiet === true;
  const progress = await Progress.open(flags.progress && !quiet);
  signal.addEventListener("abort", () => progress.stop());
  try {
    const options = { ...toChatOptions(flags), ...(await readTemplate(flags, signal)) };
    const send = toSendOptions(flags);
    checkChatOptions(options);
    checkSendOptions(send);
    await using servers = await ToolServers.open(flags.toolServer ?? [], signal);
    progress.update("loading", 0, 1);
    await using pair = await openPair({
      ...toLoadOptions(flags, demoPair),
      signal,
      onProgress: ({ fraction }) => progress.update("loading", fraction, 1),
    });
    progress.stop();
    if (isDemo(flags) && !quiet) await write(process.stderr, demoNote());
    await using chat = pair.chat({ ...options, tools: servers.tools });
    using lines = new MessageLines(interrupt);
    const transcript = new Transcript({ quiet, endsLines: true });
    await converse(
      { chat, transcript, signal, lastStep: undefined },
      {
        ...{ lines, send },
        onAnswer: (stop) => {
          answering = stop;
        },
      },
    );
  } finally {
    progress.stop();
    release();
  }
}
