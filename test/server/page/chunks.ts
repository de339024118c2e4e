/** Chunks of a streamed answer in the server's format. */

/** What the last chunk tells of an answer. */
export const figures = () => ({
  choices: [],
  usage: {
    prompt_tokens: 1204,
    completion_tokens: 90,
    total_tokens: 1294,
    prompt_tokens_details: { cached_tokens: 1000 },
    completion_tokens_details: { reasoning_tokens: 0 },
  },
  timings: {
    cache_n: 1000,
    prompt_n: 204,
    prompt_ms: 412.3,
    predicted_n: 90,
    predicted_ms: 1043,
    predicted_per_second: 86.3,
    overfill: { writer: "decode", handover: "share", handover_tokens: 1204, handover_bytes: 0, handover_ms: 3.1 },
  },
});

export const delta = (content: Readonly<Record<string, unknown>>) => ({
  object: "chat.completion.chunk",
  choices: [{ index: 0, delta: content, finish_reason: null }],
});

export const finish = (reason: string) => ({ choices: [{ index: 0, delta: {}, finish_reason: reason }] });
