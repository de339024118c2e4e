/** A certificate of this machine's loopback that vouches for itself, as X.509 has it (RFC 5280). */

import { generateKeyPairSync, sign } from "node:crypto";

const tagged = (tag: number, ...parts: readonly Uint8Array[]): Buffer => {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
};
const sequence = (...parts: readonly Uint8Array[]) => tagged(0x30, ...parts);
const bytes = (hex: string) => Buffer.from(hex, "hex");
const identifier = (hex: string) => tagged(0x06, bytes(hex));
const pem = (title: string, der: Uint8Array) =>
  `-----BEGIN ${title}-----\n${Buffer.from(der)
    .toString("base64")
    .replace(/.{1,64}/g, "$&\n")}-----END ${title}-----\n`;

/** Both in PEM. Good for 127.0.0.1 and localhost, until 2049. */
export function newCertificate(): { readonly certificate: string; readonly key: string } {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const algorithm = sequence(identifier("2a8648ce3d040302")); // ecdsa-with-SHA256
  const commonName = sequence(identifier("550403"), tagged(0x0c, Buffer.from("localhost")));
  const name = sequence(tagged(0x31, commonName));
  const time = (text: string) => tagged(0x17, Buffer.from(text));
  const names = sequence(tagged(0x82, Buffer.from("localhost")), tagged(0x87, Buffer.from([127, 0, 0, 1])));
  const extensions = sequence(sequence(identifier("551d11"), tagged(0x04, names)));
  const contents = sequence(
    tagged(0xa0, tagged(0x02, bytes("02"))),
    tagged(0x02, bytes("01")),
    algorithm,
    name,
    sequence(time("200101000000Z"), time("491231235959Z")),
    name,
    publicKey.export({ type: "spki", format: "der" }),
    tagged(0xa3, extensions),
  );
  const signature = tagged(0x03, Buffer.from([0]), sign("sha256", contents, privateKey));
  return {
    certificate: pem("CERTIFICATE", sequence(contents, algorithm, signature)),
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  };
}
