/** `/v1/models` and the view of sessions. */

import { ApiError } from "./api-error.js";
import type { Exchange } from "./exchange.js";
import type { ListedModel, LoadedModel } from "./model-store.js";

/** When this server began; models have no other date. */
const created = Math.floor(Date.now() / 1000);

/** What is known of a model's pair once it is loaded. */
function pairFacts({ pair: { info } }: LoadedModel) {
  return {
    n_ctx: info.contextSize,
    n_ctx_train: info.prefill.trainedContextSize,
    n_vocab: info.prefill.vocabularySize,
    n_params: info.prefill.parameters,
    size: info.prefill.sizeBytes,
    sessions: info.maxSessions,
    writers: Object.fromEntries(
      Object.entries(info.writers).map(([name, { model, plan }]) => [
        name,
        { n_params: model.parameters, size: model.sizeBytes, handover: plan.kind },
      ]),
    ),
  };
}

const modelBody = ({ name, aliases, loaded, isLoading, waiting }: ListedModel) => ({
  ...{ id: name, object: "model", created, owned_by: "overfill", aliases },
  status: { value: loaded ? "loaded" : isLoading ? "loading" : "unloaded", waiting },
  meta: loaded ? pairFacts(loaded) : null,
});

export const listModels = ({ store }: Exchange): Response =>
  Response.json({ object: "list", data: store.list().map(modelBody) });

export function modelOf({ store }: Exchange, id: string): Response {
  const { name } = store.resolve(id);
  const listed = store.list().find((model) => model.name === name);
  if (!listed) throw new ApiError(404, "there is no such model", { type: "not_found_error", code: "model_not_found" });
  return Response.json(modelBody(listed));
}

/** One entry for each session that a loaded model may have. What is said in it is nobody's to see. */
export function sessionsView({ store }: Exchange): Response {
  const slots = store.list().flatMap(({ name, loaded }) =>
    (loaded?.pool.places ?? []).map(({ id, busy, session }) => ({
      ...{ id, model: name, n_ctx: loaded?.pair.info.contextSize, is_processing: busy },
      session: session && !session.disposed ? session.stats() : null,
    })),
  );
  return Response.json(slots);
}
