/** What is said where the demo pair is to chat, which its models were not made for. */

import { ownCommand } from "./shell-words.js";

export const demoNote = (): string =>
  "overfill: without --prefill the demo pair answers, which knows nothing but\n" +
  `          little stories. \`${ownCommand()} suggest\` finds a model to talk to.\n`;
