/** The process of {@link measureNetwork} that reads: a pair behind `/v1/prefill`, without a network in between. */

import { loadPair } from "../../lib/index.js";
import { serve as startServer } from "../../lib/server/index.js";
import { serve } from "../child-process.js";

export interface ReaderRequest {
  readonly prefill: string;
  readonly decode: string;
  readonly threads: number;
  readonly contextSize: number;
  readonly batchSize: number;
}

/** The port that it listens at. It lives as long as the process. */
serve<ReaderRequest, number>(async ({ prefill, decode, ...options }) => {
  const pair = await loadPair({
    ...{ prefill: { model: prefill }, decode: { model: decode }, gpu: false, prefixCache: false },
    ...options,
  });
  const { port } = await startServer({ models: { pair }, port: 0 });
  return port;
});
