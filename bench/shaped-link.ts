/**
 * A network between two programs of one machine: a listener in a thread of its own that hands on what comes at a bounded rate
 * and later, in both directions. What it has of a network: the rate, the way there and back, and that a lost segment comes one
 * such way later and holds back all behind it. What it has not: TCP's own start and its slowing down behind a loss.
 */

import { once } from "node:events";
import { Worker } from "node:worker_threads";

export interface LinkShape {
  readonly name: string;
  readonly megabitsPerSecond: number;
  /** There and back. */
  readonly roundTripMs: number;
  /** Share of segments that are lost. */
  readonly loss: number;
}

export interface LinkData {
  /** Where the server listens. */
  readonly port: number;
  /** Bytes that came from the server, and that went there. */
  readonly counts: Float64Array;
}

/** TypeScript's loader reaches no thread by itself on Node 20. */
const source = new URL("./shaped-link-worker.ts", import.meta.url).href;
const loader = import.meta.resolve("tsx/esm/api");
const begin = `import { register } from ${JSON.stringify(loader)}; register(); await import(${JSON.stringify(source)});`;
const program = new URL(`data:text/javascript,${encodeURIComponent(begin)}`);

export class ShapedLink {
  readonly port: number;
  readonly #worker: Worker;
  readonly #counts: Float64Array;

  private constructor(port: number, worker: Worker, counts: Float64Array) {
    this.port = port;
    this.#worker = worker;
    this.#counts = counts;
  }

  /**
   * Without a bound, until it is given a shape.
   *
   * @param port where the server listens, on this machine
   */
  static async to(port: number): Promise<ShapedLink> {
    const counts = new Float64Array(new SharedArrayBuffer(16));
    const workerData: LinkData = { port, counts };
    const worker = new Worker(program, { workerData });
    const [own] = (await once(worker, "message")) as [number];
    return new ShapedLink(own, worker, counts);
  }

  /** Holds for what comes from then on. */
  async shape(shape: LinkShape): Promise<void> {
    const done = once(this.#worker, "message");
    this.#worker.postMessage(shape);
    await done;
  }

  /** So far. */
  get traffic(): { readonly received: number; readonly sent: number } {
    return { received: this.#counts[0] ?? 0, sent: this.#counts[1] ?? 0 };
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }
}
