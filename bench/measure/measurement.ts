/** What every measurement is given. */

import type { NativeProgram } from "../contestants/contestant.js";
import type { ModelFile } from "../models.js";
import type { Row } from "../row.js";
import type { ModelSpec } from "../shapes.js";
import type { BenchSize } from "../sizes.js";

export interface Bench {
  readonly threads: number;
  readonly size: BenchSize;
  readonly nativeLoop: NativeProgram;
  readonly nativeLimits: NativeProgram;
  /** What training can come to at most. */
  readonly nativeTrain: NativeProgram;
  /** The implementations of translating. */
  readonly nativeTranslate: NativeProgram;
  /** llama.cpp's own way of speculative decoding. */
  readonly speculativeLoop: NativeProgram;
  /** llama.cpp's server, where it was asked for. */
  readonly llamaServer: NativeProgram | undefined;
  readonly model: (spec: ModelSpec) => Promise<ModelFile>;
  /** Tells the person who waits. */
  readonly log: (message: string) => void;
}

export type Measurement = (bench: Bench) => Promise<Row[]>;
