/**
 * XXH3 of 64 bits without a seed (the checksum of saved sessions and prefix files), so that a mutant can have a checksum that
 * is right. For 17 bytes and more, which is all that those files sum up. The program compares it with the sums that stand in
 * sound files.
 */

const mask = (1n << 64n) - 1n;
const low32 = (1n << 32n) - 1n;
const prime32 = [0x9e3779b1n, 0x85ebca77n, 0xc2b2ae3dn] as const;
const prime64 = [
  0x9e3779b185ebca87n,
  0xc2b2ae3d27d4eb4fn,
  0x165667b19e3779f9n,
  0x85ebca77c2b2ae63n,
  0x27d4eb2f165667c5n,
] as const;

/** The algorithm's own table of random bytes. */
const secret = Buffer.from(
  "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07dccff7221" +
    "b8084674f743248ee03590e6813a264c3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8" +
    "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364eac5ac8334d3ebc3c581a0fffa1363eb" +
    "170ddd51b7f0da49d316552629d4689e2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e",
  "hex",
);

const stripeBytes = 64;
const stripesPerBlock = (secret.length - stripeBytes) / 8;
const blockBytes = stripeBytes * stripesPerBlock;

const word = (bytes: Buffer, at: number): bigint => bytes.readBigUInt64LE(at);

function foldedProduct(a: bigint, b: bigint): bigint {
  const product = a * b;
  return (product & mask) ^ (product >> 64n);
}

function avalanche(hash: bigint): bigint {
  const mixed = ((hash ^ (hash >> 37n)) * 0x165667919e3779f9n) & mask;
  return mixed ^ (mixed >> 32n);
}

const mixed16 = (bytes: Buffer, at: number, key: number): bigint =>
  foldedProduct(word(bytes, at) ^ word(secret, key), word(bytes, at + 8) ^ word(secret, key + 8));

/** For 17 to 128 bytes: pairs of 16 bytes from both ends towards the middle. */
function short(bytes: Buffer): bigint {
  let sum = BigInt(bytes.length) * prime64[0];
  for (let i = Math.floor((bytes.length - 1) / 32); i >= 0; i--)
    sum += mixed16(bytes, 16 * i, 32 * i) + mixed16(bytes, bytes.length - 16 * (i + 1), 32 * i + 16);
  return avalanche(sum & mask);
}

/** For 129 to 240 bytes. */
function middle(bytes: Buffer): bigint {
  let sum = BigInt(bytes.length) * prime64[0];
  for (let i = 0; i < 8; i++) sum += mixed16(bytes, 16 * i, 16 * i);
  sum = avalanche(sum & mask);
  for (let i = 8; i < Math.floor(bytes.length / 16); i++) sum += mixed16(bytes, 16 * i, 16 * (i - 8) + 3);
  return avalanche((sum + mixed16(bytes, bytes.length - 16, 136 - 17)) & mask);
}

function long(bytes: Buffer): bigint {
  const sums: bigint[] = [
    prime32[2],
    prime64[0],
    prime64[1],
    prime64[2],
    prime64[3],
    prime32[1],
    prime64[4],
    prime32[0],
  ];
  const add = (at: number, key: number) => {
    for (let lane = 0; lane < 8; lane++) {
      const value = word(bytes, at + 8 * lane);
      const keyed = value ^ word(secret, key + 8 * lane);
      sums[lane ^ 1] = ((sums[lane ^ 1] ?? 0n) + value) & mask;
      sums[lane] = ((sums[lane] ?? 0n) + (keyed & low32) * (keyed >> 32n)) & mask;
    }
  };
  const nBlocks = Math.floor((bytes.length - 1) / blockBytes);
  for (let block = 0; block < nBlocks; block++) {
    for (let i = 0; i < stripesPerBlock; i++) add(block * blockBytes + i * stripeBytes, 8 * i);
    for (const [lane, sum] of sums.entries())
      sums[lane] = ((sum ^ (sum >> 47n) ^ word(secret, secret.length - stripeBytes + 8 * lane)) * prime32[0]) & mask;
  }
  const nStripes = Math.floor((bytes.length - 1 - nBlocks * blockBytes) / stripeBytes);
  for (let i = 0; i < nStripes; i++) add(nBlocks * blockBytes + i * stripeBytes, 8 * i);
  add(bytes.length - stripeBytes, secret.length - stripeBytes - 7);
  let result = BigInt(bytes.length) * prime64[0];
  for (let i = 0; i < 4; i++)
    result += foldedProduct(
      (sums[2 * i] ?? 0n) ^ word(secret, 11 + 16 * i),
      (sums[2 * i + 1] ?? 0n) ^ word(secret, 19 + 16 * i),
    );
  return avalanche(result & mask);
}

/** The checksum, of 64 bits. Throws a RangeError for fewer than 17 bytes. */
export function xxh3(data: Uint8Array): bigint {
  if (data.length < 17) throw new RangeError(`expected 17 bytes or more, got ${data.length}`);
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return bytes.length <= 128 ? short(bytes) : bytes.length <= 240 ? middle(bytes) : long(bytes);
}
