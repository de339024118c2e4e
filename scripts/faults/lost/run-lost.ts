/**
 * Harms the sides of a pair and what lies between them, each time at another moment of an answer. The answer must be right or
 * fail with a code, within the time that a side may be silent; afterwards the next must be right, and nothing may be left.
 */

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { mulberry32, namedSeed } from "../../../test/support/random.js";
import { type Held, leftBehind } from "./held.js";
import { openPrefillServer } from "./prefill-server.js";
import { openRemoteDevices } from "./remote-devices.js";
import type { Harm, Outcome, Scene } from "./scene.js";

export interface SceneKind {
  readonly name: string;
  open(folder: string): Promise<Scene>;
}

export const scenes: readonly SceneKind[] = [
  { name: "prefill-server", open: openPrefillServer },
  { name: "remote-devices", open: openRemoteDevices },
];

export interface LostFinding {
  readonly scene: string;
  readonly harm: string;
  readonly nth: number;
  readonly error: string;
}

export interface LostCount {
  readonly scene: string;
  readonly harm: string;
  times: number;
  right: number;
  readonly refused: Record<string, number>;
  /** Who asked was killed. */
  gone: number;
  /** The longest question, in milliseconds. */
  slowestMs: number;
  findings: number;
}

/** What a process of the beginning held before, and after the last harm that it lived through. */
export interface LostMemory {
  readonly scene: string;
  readonly before: Held;
  readonly after: Held;
}

export interface LostReport {
  readonly seed: number;
  readonly counts: readonly LostCount[];
  readonly memory: readonly LostMemory[];
  readonly findings: readonly LostFinding[];
}

export interface LostRun {
  readonly scenes: readonly SceneKind[];
  readonly seed: number;
  /** How often each scene is harmed at most. */
  readonly most: number;
  readonly until: number;
  readonly workFolder: string;
  readonly onFinding?: (finding: LostFinding) => void;
}

/** A question takes no longer, on however busy a machine; nor does it take longer until all is as it was. */
const boundMs = 60_000;
/** Before anything is compared: what a process takes once, it has then. */
const nWarm = 6;

const hung = Symbol("hung");

async function within<Value>(work: Promise<Value>): Promise<Value | typeof hung> {
  const giveUp = new AbortController();
  const late = delay(boundMs, hung, { signal: giveUp.signal }).catch((): typeof hung => hung);
  try {
    return await Promise.race([work, late]);
  } finally {
    giveUp.abort();
  }
}

class LostPart {
  readonly count: LostCount;
  readonly #run: LostRun;
  readonly #scene: Scene;
  readonly #findings: LostFinding[];

  constructor(run: LostRun, scene: Scene, name: string, harm: Harm, findings: LostFinding[]) {
    this.#run = run;
    this.#scene = scene;
    this.#findings = findings;
    this.count = {
      ...{ scene: name, harm: harm.name, times: 0, right: 0, refused: {}, gone: 0, slowestMs: 0, findings: 0 },
    };
  }

  /** Harms once, `afterMs` after the question. Rejects where that leaves nothing to go on with. */
  async once(harm: Harm, afterMs: number, before: readonly Held[]): Promise<void> {
    const { count } = this;
    count.times++;
    let heal: () => void | Promise<void> = () => {};
    const timer = setTimeout(() => {
      heal = harm.begin();
    }, afterMs);
    const begun = performance.now();
    const asked = await within(this.#scene.ask());
    clearTimeout(timer);
    count.slowestMs = Math.max(count.slowestMs, performance.now() - begun);
    await heal();
    if (asked === hung) throw this.#found("the question hung");
    this.#tally(await asked());
    await this.#again();
    await this.#settled(before);
  }

  #tally(outcome: Outcome): void {
    const { count } = this;
    if (outcome.kind === "right") count.right++;
    else if (outcome.kind === "gone") count.gone++;
    else if (outcome.kind === "refused") count.refused[outcome.code] = (count.refused[outcome.code] ?? 0) + 1;
    else this.#found(outcome.error);
  }

  /** It comes back, for the next question or for one of those that follow. */
  async #again(): Promise<void> {
    for (const deadline = performance.now() + boundMs; ; ) {
      const asked = await within(this.#scene.ask());
      if (asked === hung) throw this.#found("the next question hung");
      const outcome = await asked();
      if (outcome.kind === "right") return;
      if (outcome.kind === "wrong") throw this.#found(`the next question: ${outcome.error}`);
      if (performance.now() > deadline) throw this.#found(`it does not come back: ${JSON.stringify(outcome)}`);
    }
  }

  /** What was harmed is given up, sooner or later, by whoever held it. */
  async #settled(before: readonly Held[]): Promise<void> {
    for (const deadline = performance.now() + boundMs; ; await delay(20)) {
      const left = (await this.#scene.held())
        .map((one) =>
          leftBehind(
            before.find(({ pid }) => pid === one.pid),
            one,
          ),
        )
        .find((words) => words !== undefined);
      if (left === undefined) return;
      if (performance.now() > deadline) {
        this.#found(left);
        return;
      }
    }
  }

  #found(error: string): Error {
    const { scene, harm, times: nth } = this.count;
    const finding = { scene, harm, nth, error };
    this.count.findings++;
    this.#findings.push(finding);
    this.#run.onFinding?.(finding);
    return new Error(`${scene}, ${harm}: ${error}`);
  }
}

/** How long an answer takes that nobody harms, in milliseconds: the fastest. */
async function usualMs(scene: Scene): Promise<number> {
  let fastest = Number.POSITIVE_INFINITY;
  for (let i = 0; i < nWarm; i++) {
    const begun = performance.now();
    const outcome = await (await scene.ask())();
    fastest = Math.min(fastest, performance.now() - begun);
    if (outcome.kind !== "right") throw new Error(`unharmed: ${JSON.stringify(outcome)}`);
  }
  return fastest;
}

async function runScene(run: LostRun, kind: SceneKind, until: number, report: LostReport): Promise<void> {
  const folder = join(run.workFolder, kind.name);
  mkdirSync(folder, { recursive: true });
  const scene = await kind.open(folder);
  const findings = report.findings as LostFinding[];
  const random = mulberry32(namedSeed(run.seed, kind.name));
  try {
    const usual = await usualMs(scene);
    let before = await scene.held();
    const lived = new Map(before.map((one) => [one.pid, { scene: kind.name, before: one, after: one }]));
    for (const [i, harm] of scene.harms.entries()) {
      const part = new LostPart(run, scene, kind.name, harm, findings);
      (report.counts as LostCount[]).push(part.count);
      const share =
        Math.floor((run.most * (i + 1)) / scene.harms.length) - Math.floor((run.most * i) / scene.harms.length);
      const end = Date.now() + (until - Date.now()) / (scene.harms.length - i);
      for (let nth = 0; nth < share && (nth === 0 || Date.now() < end); nth++)
        await part.once(harm, random() * usual, before);
      const now = await scene.held();
      for (const after of now) {
        const one = lived.get(after.pid);
        if (one) lived.set(after.pid, { ...one, after });
      }
      // A process that was started anew is compared with itself.
      before = now.map((one) => before.find(({ pid }) => pid === one.pid) ?? one);
    }
    (report.memory as LostMemory[]).push(...lived.values());
  } catch (error) {
    // What was found stands in the report; all else is this program's fault.
    if (findings.length === 0) throw error;
  } finally {
    await scene.close();
  }
}

/** Runs. Throws what no harm can be at fault for. */
export async function runLost(run: LostRun): Promise<LostReport> {
  const report: LostReport = { seed: run.seed, counts: [], memory: [], findings: [] };
  for (const [i, kind] of run.scenes.entries())
    await runScene(run, kind, Date.now() + (run.until - Date.now()) / (run.scenes.length - i), report);
  return report;
}
