/** Whose process is at the other end of a connection over this machine's loopback, and whose listens there. */

import { readFileSync } from "node:fs";

/** States of a connection, as `/proc/net/tcp` has them. */
const established = "01";
const listening = "0A";

/** As `/proc/net/tcp` writes an address of IPv4: bytes from last to first, then the port. */
function inTable(address: string, port: number): string {
  const bytes = address.split(".").reverse();
  const hex = (value: number, digits: number) => value.toString(16).toUpperCase().padStart(digits, "0");
  return `${bytes.map((byte) => hex(Number(byte), 2)).join("")}:${hex(port, 4)}`;
}

/**
 * The user's number in a table of `/proc/net/tcp`; undefined where the connection is not in it in that state. A socket that
 * its process has closed is in it as user 0's, without an inode, and nobody's for this.
 */
export function userInTable(table: string, from: string, to: string, wanted = established): number | undefined {
  for (const line of table.split("\n")) {
    // queues, timer and retransmissions are between state and user
    const [, local, remote, state, , , , user, , inode] = line.trim().split(/\s+/);
    if (local === from && remote === to && state === wanted && inode !== "0") return Number(user);
  }
  return undefined;
}

/** Whether the system's table has a row of this user's. Where the system has no table it is taken for one. */
function isOwn(from: string, to: string, state: string): boolean {
  if (process.platform !== "linux" || process.geteuid === undefined) return true;
  let table: string;
  try {
    table = readFileSync("/proc/net/tcp", "utf8");
  } catch (error) {
    // A system without /proc. Another reason, such as no descriptors left, is none to let anybody in.
    return (error as NodeJS.ErrnoException).code === "ENOENT";
  }
  return userInTable(table, from, to, state) === process.geteuid();
}

const loopback = "127.0.0.1";

/**
 * Whether the process that connected from `fromPort` to `toPort`, both on 127.0.0.1, is this user's and still connected.
 * Where the system does not tell (all but Linux) it is taken for one.
 */
export function isOwnUser(fromPort: number, toPort: number): boolean {
  return isOwn(inTable(loopback, fromPort), inTable(loopback, toPort), established);
}

/** Whether the process that listens on 127.0.0.1 at `port` is this user's; as {@link isOwnUser}. */
export function isOwnListener(port: number): boolean {
  return isOwn(inTable(loopback, port), inTable("0.0.0.0", 0), listening);
}
