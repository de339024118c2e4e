/** Checks of what callers ask of devices of other machines. */

import { createError } from "../errors/create-error.js";
import { refusedArgument } from "../internal/check-options.js";
import { inWords } from "../internal/expectations.js";
import { between, list, onFirstUse, path, type SchemasOf, text, whole } from "../internal/option-schemas.js";
import * as z from "../internal/schema.js";
import type { RemoteOptions, RemotePlace, RemoteServer } from "./remote-options.js";

const server = onFirstUse(() =>
  z.union([
    text(1024),
    inWords(
      "an object with a url",
      z.strictObject({
        url: text(1024),
        key: z.optional(path()),
        insecure: z.optional(z.boolean()),
      } satisfies SchemasOf<RemoteServer>),
    ),
  ]),
);

/** Of a model that may lie on other machines. */
export const remotePlaceShape = onFirstUse(
  () =>
    ({
      devices: z.optional(list("a list of 1 to 16 servers", server(), 1, 16)),
      split: z.optional(list("a list of shares", between(0, 1e9), 1, 64)),
    }) satisfies SchemasOf<RemotePlace>,
);

const waiting = () => whole(10, 2 ** 31 - 1);

export const remoteSchema = onFirstUse(() =>
  z.strictObject({
    timeoutMs: z.optional(waiting()),
    stallTimeoutMs: z.optional(waiting()),
    inProcess: z.optional(z.boolean()),
  } satisfies SchemasOf<RemoteOptions>),
);

/** A server's address, taken apart. */
export interface RemoteAddress {
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly key: string | URL | undefined;
}

/** Only these are sure to be this machine: a name is looked up anew each time. */
export const isLoopback = (host: string) => /^127(\.\d{1,3}){3}$/.test(host) || host === "localhost" || host === "::1";

function addressOf(device: string | RemoteServer, parameter: string): RemoteAddress {
  const { url, key, insecure = false } = typeof device === "string" ? { url: device } : (device as RemoteServer);
  const at = typeof device === "string" ? parameter : `${parameter}.url`;
  const [, scheme, name = "", digits = ""] =
    /^(rpcs?):\/\/(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})\/?$/.exec(url) ?? [];
  const port = Number(digits);
  if (scheme === undefined || port < 1 || port > 65_535)
    throw refusedArgument(at, "expected rpc://HOST:PORT or rpcs://HOST:PORT", JSON.stringify(url));
  const host = name.replace(/^\[|\]$/g, "");
  if (scheme === "rpcs" && key === undefined)
    throw refusedArgument(at, "expected a key beside rpcs:, as { url, key }", JSON.stringify(url));
  if (scheme === "rpc" && key !== undefined)
    throw refusedArgument(at, "expected rpcs: beside a key, since rpc: uses none", JSON.stringify(url));
  if (scheme === "rpc" && !insecure && !isLoopback(host))
    throw refusedArgument(
      at,
      "expected rpcs: with a key for another machine, since rpc: protects nothing (insecure: true sends all the same)",
      JSON.stringify(url),
    );
  return { url, host, port, key };
}

/** The addresses of a model's servers. Throws ERR_INVALID_ARGUMENT. */
export function remoteAddresses({ devices = [], split }: RemotePlace, parameter: string): RemoteAddress[] {
  const addresses = devices.map((device, i) => addressOf(device, `${parameter}.devices.${i}`));
  const twice = addresses.find(({ host, port }, i) =>
    addresses.some((other, j) => j < i && other.host === host && other.port === port),
  );
  if (twice) throw refusedArgument(`${parameter}.devices`, "expected each server once", JSON.stringify(twice.url));
  if (split !== undefined && devices.length === 0)
    throw refusedArgument(`${parameter}.split`, "expected none without devices", `an array of ${split.length}`);
  if (split !== undefined && !split.some((share) => share > 0))
    throw refusedArgument(`${parameter}.split`, "expected a share above 0", "none");
  return addresses;
}

/** For a load in this process. */
export function refuseRemote(prefill: RemotePlace, remote: RemoteOptions | undefined): void {
  if ((prefill.devices ?? []).length === 0 || remote?.inProcess === true) return;
  throw createError(
    "ERR_REMOTE_NEEDS_HOST",
    "a pair with remote devices is loaded by loadPairInHost of overfill/host: where a server is lost, llama.cpp ends " +
      "the process that it is in. With remote: { inProcess: true } that is this one",
    {},
  );
}
