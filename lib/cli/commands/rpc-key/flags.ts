/** `overfill rpc-key`: its flags. */

import { type Command, InvalidArgumentError } from "@commander-js/extra-typings";
import { type FlagsOf, helpText } from "../../flags.js";

export type RpcKeyFlags = FlagsOf<typeof addRpcKeyCommand>;

const explanation = `
Example:
  overfill rpc-key -o reader.key

Both machines need the file: the one with overfill rpc-server --key, and the one whose pair uses its devices. Who has it may
use them, and run code there, so carry it over by a way that you trust (scp, a USB stick). Only its owner can read it, and
neither machine takes one that others can read.

Exit status: 0 done, 1 failed, 2 wrong usage.`;

function parseKeyFile(text: string): string {
  if (text === "-") throw new InvalidArgumentError("Expected the name of a file: a key is no text for a terminal.");
  return text;
}

export function addRpcKeyCommand(program: Command) {
  return program
    .command("rpc-key")
    .description("make a key for the tunnel to overfill rpc-server")
    .addHelpText("after", helpText(explanation))
    .requiredOption("-o, --out <file>", "where to write the key; never over a file that is there", parseKeyFile);
}
