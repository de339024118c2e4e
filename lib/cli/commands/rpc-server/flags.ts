/** `overfill rpc-server`: its flags, and what they mean. */

import { type Command, InvalidArgumentError, Option } from "@commander-js/extra-typings";
import { type FlagsOf, helpText, parseNumber } from "../../flags.js";

export type RpcServerFlags = FlagsOf<typeof addRpcServerCommand>;

/** An address to listen on. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

export const usualAddress: ListenAddress = { host: "127.0.0.1", port: 50_052 };

/** `HOST:PORT`, with an IPv6 address in brackets. */
export function parseAddress(text: string): ListenAddress {
  const [, host = "", digits = ""] = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (host === "" || port > 65_535) throw new InvalidArgumentError("Expected HOST:PORT, such as 0.0.0.0:50052.");
  return { host: host.replace(/^\[|\]$/g, ""), port };
}

const explanation = `
Examples:
  overfill rpc-server
  overfill rpc-key -o reader.key
  overfill rpc-server --listen 0.0.0.0:50052 --key reader.key

Another machine's pair puts its prefill model here by devices: [{ url: "rpcs://HOST:50052", key: "reader.key" }], with a copy
of the key. Weights are sent when it loads; with --cache they are sent once.

ggml's RPC, which runs behind this, trusts whoever talks to it. So only this machine reaches the server, or who has the key:
the network sees a TLS tunnel. --insecure-listen does without, and then everybody who reaches the address can read what is
computed, and run code of theirs here.

Exit status: 0 stopped by Ctrl-C or SIGTERM, 1 failed, 2 wrong usage.`;

export function addRpcServerCommand(program: Command) {
  return program
    .command("rpc-server")
    .description("lend this machine's devices to a pair on another machine")
    .addHelpText("after", helpText(explanation))
    .option("--listen <host:port>", "address to listen on (default: 127.0.0.1:50052)", parseAddress)
    .option("--key <file>", "key that clients must have; overfill rpc-key makes one")
    .option("--insecure-listen", "listen for other machines without a key")
    .option("--cache <folder>", "keep large tensors there, so that weights are sent once")
    .option("--threads <n>", "threads to compute with on the CPU (default: the cores there are)", parseNumber)
    .addOption(
      new Option("--gpu <kind>", "device family to lend, or off for the CPU (default: auto)").choices([
        "auto",
        "cuda",
        "metal",
        "vulkan",
        "off",
      ] as const),
    )
    .option("--quiet", "no lines of clients");
}
