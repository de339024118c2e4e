// What a session's handle and its tasks have in common.
#pragma once

#include "cache_pool.h"
#include "pair_meters.h"
#include "session.h"

#include <atomic>
#include <memory>
#include <optional>

namespace overfill {

struct session_slot {
    // `shared`: where the pair's cells are a pool of all sessions'.
    session_slot(pair & models, cache_pool * shared, llama_seq_id sequence, pair_side writer)
        : state(models, sequence, writer), pool(shared), in_pool(state.caches()) {}

    session state;                    // engine thread, except for stats()
    std::atomic<bool> busy{ false };  // a stage runs or waits for its turn
    std::atomic<bool> disposed{ false };
    // Engine thread: the tokens there were behind a prompt whose last white space the vocabulary made nothing of; it
    // belongs before the text that comes next. 0: none.
    size_t n_before_space = 0;
    // Engine thread: when the last prefill was called, until an answer begins.
    std::optional<answer_clock::time> asked;
    cache_pool * const pool;
    pool_member in_pool;  // engine thread
};
using slot_ptr = std::shared_ptr<session_slot>;

}  // namespace overfill
