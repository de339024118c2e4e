/** The thread of {@link ShapedLink}. */

import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { parentPort, workerData } from "node:worker_threads";
import { mulberry32 } from "../test/support/random.js";
import type { LinkData, LinkShape } from "./shaped-link.js";

const { port, counts } = workerData as LinkData;
let [bytesPerMs, roundTripMs, loss] = [Number.POSITIVE_INFINITY, 0, 0];
parentPort?.on("message", (shape: LinkShape) => {
  bytesPerMs = (shape.megabitsPerSecond * 1e6) / 8 / 1000;
  ({ roundTripMs, loss } = shape);
  parentPort?.postMessage("shaped");
});

/** What a segment of TCP has at most in Ethernet. */
const segmentBytes = 1448;
/** Of headers and gaps, which the rate carries as well. */
const overheadBytes = 90;
/** What is on the way, and a little more, as a router keeps it. */
const mostBytes = () => 256 * 1024 + (roundTripMs > 0 ? bytesPerMs * roundTripMs : 0);
const random = mulberry32(20_250_808);

/** One direction, for all connections. */
interface Direction {
  /** Which of the counts. */
  readonly count: 0 | 1;
  /** When the segment that was sent last has left. */
  leftAt: number;
}

function lane(from: Socket, to: Socket, direction: Direction): void {
  const onTheWay: { readonly at: number; readonly bytes: Buffer }[] = [];
  let nBytes = 0;
  let arrivedAt = 0;
  let isWaiting = false;
  let hasEnded = false;
  const deliverAt = (at: number) => {
    if (isWaiting) return;
    isWaiting = true;
    setTimeout(deliver, Math.max(0, at - performance.now()));
  };
  const deliver = () => {
    isWaiting = false;
    const now = performance.now();
    const due = onTheWay.findIndex(({ at }) => at > now);
    const pieces = onTheWay.splice(0, due === -1 ? onTheWay.length : due).map(({ bytes }) => bytes);
    if (pieces.length > 0) {
      const bytes = Buffer.concat(pieces);
      nBytes -= bytes.length;
      counts[direction.count] = (counts[direction.count] ?? 0) + bytes.length;
      to.write(bytes);
      if (nBytes < mostBytes() / 2) from.resume();
    }
    const [next] = onTheWay;
    if (next) deliverAt(next.at);
    else if (hasEnded) to.end();
  };
  from.on("data", (bytes: Buffer) => {
    for (let at = 0; at < bytes.length; at += segmentBytes) {
      const segment = bytes.subarray(at, at + segmentBytes);
      direction.leftAt = Math.max(performance.now(), direction.leftAt) + (segment.length + overheadBytes) / bytesPerMs;
      const again = random() < loss ? roundTripMs : 0;
      arrivedAt = Math.max(arrivedAt, direction.leftAt + roundTripMs / 2 + again);
      onTheWay.push({ at: arrivedAt, bytes: segment });
    }
    nBytes += bytes.length;
    if (nBytes > mostBytes()) from.pause();
    deliverAt(onTheWay[0]?.at ?? 0);
  });
  from.once("end", () => {
    hasEnded = true;
    deliverAt(0);
  });
  from.on("error", () => {});
  from.once("close", () => {
    if (!hasEnded) to.destroy();
  });
}

const there: Direction = { count: 1, leftAt: 0 };
const back: Direction = { count: 0, leftAt: 0 };
const server = createServer({ noDelay: true, allowHalfOpen: true }, (near) => {
  const far = connect({ host: "127.0.0.1", port, noDelay: true, allowHalfOpen: true });
  lane(near, far, there);
  lane(far, near, back);
}).listen(0, "127.0.0.1");
await once(server, "listening");
parentPort?.postMessage((server.address() as AddressInfo).port);
