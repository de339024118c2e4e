// Who gives way where the cells of a pool are all taken. Plain reckoning, which touches no cache.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace overfill {

// A session that holds cells, other than the one that needs some.
struct pool_holder {
    enum class state {
        idle,              // no task runs on it
        waits_for_reader,  // its answer is far enough ahead
        works,             // a task runs on it
    };
    state is = state::idle;
    uint64_t last_used = 0;  // counts the steps of all sessions
    uint64_t arrived = 0;    // its task, if one runs
};

// Idle sessions first, of them whoever was used least recently; then one whose answer waits for its reader; then one
// whose task arrived later than `arrived`, the youngest first. Without `arrived`, which is where several need cells at
// once, idle ones only. Nothing: all others came earlier.
inline std::optional<size_t> who_gives_way(const std::vector<pool_holder> & holders, std::optional<uint64_t> arrived) {
    const auto goes_before = [](const pool_holder & a, const pool_holder & b) {
        if (a.is != b.is) return a.is < b.is;
        return a.is == pool_holder::state::works ? a.arrived > b.arrived : a.last_used < b.last_used;
    };
    std::optional<size_t> chosen;
    for (size_t i = 0; i < holders.size(); i++) {
        const pool_holder & holder = holders[i];
        if (holder.is != pool_holder::state::idle && !arrived) continue;
        if (holder.is == pool_holder::state::works && holder.arrived < *arrived) continue;
        if (!chosen || goes_before(holder, holders[*chosen])) chosen = i;
    }
    return chosen;
}

}  // namespace overfill
