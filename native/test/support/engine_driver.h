// Runs the engine's asynchronous calls to their end, so that a test reads as a sequence.
#pragma once

#include "engine.h"

#include <future>
#include <string>
#include <vector>

namespace overfill::test {

struct answer {
    std::string text;
    std::vector<llama_token> tokens;
    std::vector<std::vector<token_log_prob>> log_probs;
    decode_result result;
};

// A pair with small defaults for tests: 1024 tokens, and one thread, since two wait for each other at every node of a
// graph and a busy machine makes them wait long.
pair_options options_for(const std::string & prefill, const std::string & decode = "");

// Throws the failure that the load ended in.
std::shared_ptr<engine> load(const pair_options & options, pair_info * info = nullptr);

// Waits for a place, if it must.
std::shared_ptr<session_handle> create_session(engine & pair, int32_t priority = 0,
                                               pair_side writer = pair_side::decode);
prefill_result prefill(session_handle & session, prompt_input prompt, const prefill_options & options = {});
handover_report hand_over(session_handle & session, std::optional<pair_side> writer = std::nullopt);
answer decode(session_handle & session, const decode_options & options);
// Reads what the stream has until its end.
answer drain(token_stream & stream, const std::function<void()> & wait);
void retract(session_handle & session, uint32_t n_tokens);
void save(session_handle & session, const std::string & path, bool compress = false);
restored_session restore(session_handle & session, const std::string & path);
void truncate(session_handle & session, uint32_t n_tokens);
void dispose(engine & pair);
void dispose(session_handle & session);

decode_options greedy(uint32_t max_tokens);
// With those of five tokens a step, and on behind an end.
decode_options greedy_with_log_probs(uint32_t max_tokens);
// Their tokens, and the log-probabilities to the bit.
bool same(const answer & a, const answer & b);

// n token ids of the tiny model's words and bytes, by a fixed recipe.
std::vector<llama_token> some_tokens(uint32_t n, uint32_t salt = 0);

}  // namespace overfill::test
