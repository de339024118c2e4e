/** What `overfill pull` does. */

import { UsageError } from "../../exit.js";
import { type PulledModel, pull } from "../../hub/pull.js";
import { pullAddress } from "../../hub/pull-address.js";
import type { RequestRules } from "../../hub/request.js";
import { hubSettings } from "../../hub/settings.js";
import { checkRevision, parseSource } from "../../hub/source.js";
import { Progress } from "../../progress.js";
import { listenForStop } from "../../stop-signals.js";
import { write } from "../../terminal.js";
import { toJson, visible } from "../../visible.js";
import type { PullFlags } from "./flags.js";
import { renderPullDetail, renderPulled } from "./render.js";

/** Waits that are shorter are not told. */
const noticedMs = 3000;

export async function runPull(text: string, flags: PullFlags): Promise<void> {
  const { endpoint, token, cacheFolder } = hubSettings();
  const source = parseSource(text, endpoint);
  checkFlags(source.kind, flags);
  if (process.env.HF_HUB_OFFLINE === "1") throw new UsageError("HF_HUB_OFFLINE=1 allows no download");
  if (flags.revision !== undefined) checkRevision(flags.revision);

  const { signal, release } = listenForStop();
  const progress = await Progress.open(flags.progress && !flags.quiet, 20);
  signal.addEventListener("abort", () => progress.stop());
  const rules: RequestRules = {
    endpoint,
    token,
    signal,
    onRetry: (reason, waitMs) => {
      if (waitMs >= noticedMs && !flags.quiet) progress.note(`${reason}; again in ${Math.round(waitMs / 1000)} s`);
    },
  };
  const speed = new Speed();
  const common = {
    rules,
    ...(flags.connections !== undefined && { connections: flags.connections }),
    onProgress: (news: { stage: string; file: string; doneBytes: number; totalBytes: number }) => {
      if (signal.aborted) return;
      const detail = renderPullDetail(news, news.stage === "downloading" ? speed.at(news.doneBytes) : 0);
      progress.update(news.stage, news.doneBytes, Math.max(1, news.totalBytes), detail);
    },
  };
  try {
    let models: readonly PulledModel[];
    let result: object;
    if (source.kind === "address") {
      models = [await pullAddress({ ...common, url: source.url, out: flags.out, digest: flags.sha256 })];
      result = { models };
    } else {
      const pulled = await pull({
        ...common,
        cacheFolder,
        source: { ...source, revision: flags.revision ?? source.revision },
        ...(flags.file && { files: flags.file }),
        ...(flags.quant && { quantisations: flags.quant }),
      });
      models = pulled.models;
      result = pulled;
    }
    progress.stop();
    if (flags.quiet && !flags.json) return;
    await write(process.stdout, `${flags.json ? toJson(result, 2) : renderPulled(visible(models))}\n`, signal);
  } finally {
    progress.stop();
    release();
  }
}

function checkFlags(kind: "repository" | "address", flags: PullFlags): void {
  if (kind === "address" && (flags.quant ?? flags.file ?? flags.revision) !== undefined)
    throw new UsageError("--quant, --file and --revision are for repositories; this is the address of a file");
  if (kind === "repository" && (flags.out ?? flags.sha256) !== undefined)
    throw new UsageError(
      "--out and --sha256 are for files of other servers: the Hub's go into the cache, and it tells their checksums",
    );
}

/** Bytes a second, of the last few seconds. */
class Speed {
  #seen: { readonly at: number; readonly bytes: number }[] = [];

  at(bytes: number, now = performance.now()): number {
    this.#seen.push({ at: now, bytes });
    while (this.#seen.length > 2 && now - (this.#seen[0]?.at ?? now) > 5000) this.#seen.shift();
    const [oldest] = this.#seen;
    if (!oldest || now - oldest.at < 500) return 0;
    return Math.max(0, ((bytes - oldest.bytes) / (now - oldest.at)) * 1000);
  }
}
