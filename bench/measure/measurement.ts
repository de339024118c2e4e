/** What every measurement is given. */

import type { NativeLoop } from "../contestants/contestant.js";
import type { ModelFile } from "../models.js";
import type { Row } from "../row.js";
import type { ModelSpec } from "../shapes.js";
import type { BenchSize } from "../sizes.js";

export interface Bench {
  readonly threads: number;
  readonly size: BenchSize;
  readonly nativeLoop: NativeLoop;
  readonly model: (spec: ModelSpec) => Promise<ModelFile>;
  /** Tells the person who waits. */
  readonly log: (message: string) => void;
}

export type Measurement = (bench: Bench) => Promise<Row[]>;
