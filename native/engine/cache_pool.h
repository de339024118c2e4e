// The cells of a pair's caches as one pool of all sessions (pair_options::cache_tokens), and who has them.
//
// A session whose next step finds no free cells puts others aside: their state goes into memory of its own and comes
// back before their next step. pool_order.h says whose turn that is. Where all others came earlier, the task parks
// until there is room again. One session always fits, so the task that came first goes on in any case, and none waits
// for ever.
#pragma once

#include "pool_order.h"
#include "scheduler.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace overfill {

class cached_sequence;

// One session's share of the pool.
struct pool_member {
    explicit pool_member(std::vector<cached_sequence *> its_caches) : caches(std::move(its_caches)) {}

    // Whoever runs on the session may bring others.
    std::vector<cached_sequence *> caches;
    std::optional<uint64_t> arrived;  // of the task that runs, from its first step on
    bool waits_for_reader = false;    // that task's answer
    bool alone_next = false;          // it found no room beside a piece, whose session cannot be put aside meanwhile
    uint64_t last_used = 0;
    bool aside = false;

    bool holds_cells() const;
    bool is_aside() const;
    size_t n_held() const;
};

// Engine thread, except for the counts.
class cache_pool {
  public:
    // `wake`: lets parked tasks take turns again.
    explicit cache_pool(std::function<void()> wake) : wake_(std::move(wake)) {}

    // A task's step on a session. If it `needs_cells`, what was put aside is brought back first. Parks where there is
    // no room.
    task::turn run(const std::shared_ptr<pool_member> & member, uint64_t arrived, bool needs_cells,
                   const std::function<task::turn()> & step);

    // Does the work within a step, and what comes with it: steps of other sessions. The one whose step it is keeps its
    // cells.
    void run_beside(const std::function<void()> & work);

    // Puts one session aside. Throws no_room where those who hold cells have the right to them, ERR_INTERNAL where
    // nobody else holds any, ERR_OUT_OF_MEMORY.
    void make_room();

    // The session holds cells without having taken a step: it is a fork.
    void add(const std::shared_ptr<pool_member> & member);

    // The session is gone, and its cells are free.
    void forget(const pool_member & member);

    // Any thread.
    uint32_t n_aside() const { return n_aside_; }
    uint64_t n_put_aside() const { return n_put_aside_; }

  private:
    void enter(const std::shared_ptr<pool_member> & member, uint64_t arrived, bool needs_cells);
    void came_back(pool_member & member);
    // Parked tasks may find room now.
    void freed();

    std::function<void()> wake_;
    std::vector<std::shared_ptr<pool_member>> members_;
    pool_member * current_ = nullptr;  // whose step runs
    pool_member * outer_ = nullptr;    // in whose step that one's runs; see run_beside
    bool somebody_waits_ = false;
    uint64_t n_steps_ = 0;
    std::atomic<uint32_t> n_aside_{ 0 };
    std::atomic<uint64_t> n_put_aside_{ 0 };
};

}  // namespace overfill
