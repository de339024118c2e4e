/** Whose process is at the other end of a connection over this machine's loopback. */

import { readFileSync } from "node:fs";

/** As `/proc/net/tcp` writes an address of IPv4: bytes from last to first, then the port. */
function inTable(address: string, port: number): string {
  const bytes = address.split(".").reverse();
  const hex = (value: number, digits: number) => value.toString(16).toUpperCase().padStart(digits, "0");
  return `${bytes.map((byte) => hex(Number(byte), 2)).join("")}:${hex(port, 4)}`;
}

/** The user's number in a table of `/proc/net/tcp`; undefined where the connection is not in it. */
export function userInTable(table: string, from: string, to: string): number | undefined {
  // sl, local address, remote address, state, queues, timer, retransmissions, user
  const row = table.split("\n").find((line) => {
    const [, local, remote] = line.trim().split(/\s+/);
    return local === from && remote === to;
  });
  return row === undefined ? undefined : Number(row.trim().split(/\s+/)[7]);
}

/**
 * Whether the process that connected from `fromPort` to `toPort`, both on 127.0.0.1, is this user's. Where the system does
 * not tell (all but Linux) it is taken for one.
 */
export function isOwnUser(fromPort: number, toPort: number): boolean {
  if (process.platform !== "linux" || process.getuid === undefined) return true;
  const loopback = "127.0.0.1";
  try {
    const table = readFileSync("/proc/net/tcp", "utf8");
    return userInTable(table, inTable(loopback, fromPort), inTable(loopback, toPort)) === process.getuid();
  } catch {
    // A system without /proc.
    return true;
  }
}
