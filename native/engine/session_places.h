// The places that a pair has for sessions, one sequence of its caches each, and the calls that wait for one. Everything
// may be called from any thread. A call is ended on the thread that ends it: at once by `take`, else by whoever gives a
// place back, leaves or closes.
#pragma once

#include "completion.h"
#include "waiting_line.h"

#include <llama.h>

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

namespace overfill {

class session_places {
  public:
    using ticket = waiting_line<completion<llama_seq_id>>::ticket;

    session_places(uint32_t n_places, uint32_t max_waiting);

    // Gets a place, now or when its turn comes. `done` may throw as long as it has not taken the place: the call then
    // fails with that, and the next one gets it. The ticket of a call that waits; 0: it has its place. Throws
    // ERR_QUEUE_FULL where max_waiting wait already, ERR_DISPOSED after `close`.
    ticket take(int32_t priority, completion<llama_seq_id> end);

    // A call that still waits fails with ERR_ABORTED.
    void leave(ticket which);

    void give_back(llama_seq_id place);

    // All that wait fail with ERR_DISPOSED. Idempotent.
    void close();

    uint32_t n_taken() const;
    uint32_t n_waiting() const;

  private:
    bool grant(const completion<llama_seq_id> & end, llama_seq_id place);

    const uint32_t n_places_, max_waiting_;
    mutable std::mutex mutex_;  // not held while a call is ended
    // While one is free, nobody waits.
    std::vector<llama_seq_id> free_;
    waiting_line<completion<llama_seq_id>> waiting_;
    bool closed_ = false;
};

}  // namespace overfill
