/**
 * The key of a tunnel, which both of its ends have in a file: one line with a mark, the key's name and 32 random bytes in
 * base64url. Who has the file may use the server, so nobody but its owner may read it.
 */

import { randomBytes } from "node:crypto";
import { readFileSync, statSync, writeFileSync } from "node:fs";

export interface Key {
  readonly name: string;
  readonly secret: Buffer;
}

const mark = "overfill-rpc-key-1";

/** A key file that cannot be used, with the reason for the message. */
export class KeyFault extends Error {}

/** Makes a new key. Throws what the system throws where the file is there already or cannot be written. */
export function writeKey(file: string): Key {
  const key = { name: randomBytes(8).toString("hex"), secret: randomBytes(32) };
  writeFileSync(file, `${mark} ${key.name} ${key.secret.toString("base64url")}\n`, { mode: 0o600, flag: "wx" });
  return key;
}

/** Throws KeyFault. */
export function readKey(file: string): Key {
  let text: string;
  try {
    const { mode, size } = statSync(file);
    // Windows has no such bits.
    if (process.platform !== "win32" && (mode & 0o077) !== 0)
      throw new KeyFault(`others than its owner may use ${file}: chmod 600 ${file}`);
    if (size > 4096) throw new KeyFault(`${file} is no key that \`overfill rpc-key\` made`);
    text = readFileSync(file, "utf8");
  } catch (error) {
    if (error instanceof KeyFault) throw error;
    throw new KeyFault(`${file} cannot be read: ${(error as Error).message}`);
  }
  const [, name, secret] = new RegExp(`^${mark} ([0-9a-f]{16}) ([A-Za-z0-9_-]{43})\\s*$`).exec(text) ?? [];
  if (name === undefined || secret === undefined)
    throw new KeyFault(`${file} is no key that \`overfill rpc-key\` made`);
  return { name, secret: Buffer.from(secret, "base64url") };
}
