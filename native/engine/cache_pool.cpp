#include "cache_pool.h"

#include "cached_sequence.h"
#include "failure.h"
#include "no_room.h"

#include <algorithm>
#include <utility>

namespace overfill {

bool pool_member::holds_cells() const {
    return std::any_of(caches.begin(), caches.end(), [](const cached_sequence * c) { return c->holds_cells(); });
}

bool pool_member::is_aside() const {
    return std::any_of(caches.begin(), caches.end(), [](const cached_sequence * c) { return c->is_aside(); });
}

size_t pool_member::n_held() const {
    size_t n = 0;
    for (const cached_sequence * cache : caches) n += cache->size();
    return n;
}

task::turn cache_pool::run(const std::shared_ptr<pool_member> & member, uint64_t arrived, bool needs_cells,
                           const std::function<task::turn()> & step) {
    const size_t n_before = member->n_held();
    try {
        enter(member, arrived, needs_cells);
        const task::turn turn = step();
        current_ = nullptr;
        // It may have been cut down to nothing.
        if (member->aside && !member->is_aside()) came_back(*member);
        if (turn == task::turn::done) member->arrived.reset();
        member->alone_next = false;
        if (turn != task::turn::again || member->n_held() < n_before) freed();
        return turn;
    } catch (const no_room &) {
        current_ = nullptr;
        somebody_waits_ = true;
        // Whose piece is computed now may be the one to give way.
        member->alone_next = outer_ != nullptr;
        return task::turn::parked;
    } catch (...) {
        current_ = nullptr;
        member->arrived.reset();
        freed();
        throw;
    }
}

void cache_pool::run_beside(const std::function<void()> & work) {
    struct step_within {
        cache_pool & pool;
        explicit step_within(cache_pool & of) : pool(of) { pool.outer_ = std::exchange(pool.current_, nullptr); }
        ~step_within() { pool.current_ = std::exchange(pool.outer_, nullptr); }
    };
    {
        const step_within scope(*this);
        work();
    }
    // Its cells can be had again.
    freed();
}

void cache_pool::add(const std::shared_ptr<pool_member> & member) {
    if (std::find(members_.begin(), members_.end(), member) == members_.end()) members_.push_back(member);
    member->last_used = ++n_steps_;
}

void cache_pool::enter(const std::shared_ptr<pool_member> & member, uint64_t arrived, bool needs_cells) {
    add(member);
    member->arrived = arrived;
    current_ = member.get();
    if (!needs_cells) return;
    for (cached_sequence * cache : member->caches)
        while (!cache->bring_back()) make_room();
    if (member->aside) came_back(*member);
}

void cache_pool::came_back(pool_member & member) {
    n_aside_--;
    member.aside = false;
}

void cache_pool::make_room() {
    std::vector<pool_holder> holders;
    std::vector<pool_member *> found;
    for (const auto & member : members_) {
        if (member.get() == current_ || member.get() == outer_ || !member->holds_cells()) continue;
        pool_holder holder;
        if (member->arrived)
            holder.is = member->waits_for_reader ? pool_holder::state::waits_for_reader : pool_holder::state::works;
        holder.last_used = member->last_used;
        holder.arrived = member->arrived.value_or(0);
        holders.push_back(holder);
        found.push_back(member.get());
    }
    const auto chosen = who_gives_way(holders, current_ ? current_->arrived : std::nullopt);
    if (!chosen) {
        if (!found.empty() || outer_) throw no_room();
        throw failure(error_code::internal, "the pool has no room for one session");
    }
    pool_member & gives = *found[*chosen];
    for (cached_sequence * cache : gives.caches) cache->put_aside();
    if (!gives.aside) n_aside_++;
    gives.aside = true;
    n_put_aside_++;
    freed();
}

void cache_pool::forget(const pool_member & member) {
    const auto at = std::find_if(members_.begin(), members_.end(), [&](const auto & m) { return m.get() == &member; });
    if (at == members_.end()) return;
    if (member.aside) n_aside_--;
    members_.erase(at);
    freed();
}

void cache_pool::freed() {
    if (!std::exchange(somebody_waits_, false)) return;
    wake_();
}

}  // namespace overfill
