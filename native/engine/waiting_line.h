// Who waits, and who goes next: the highest priority first, and of one priority the first that came. Nobody starves:
// whoever was passed `most_passes` times by one that came later goes before all of those.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <utility>

namespace overfill {

template <class T> class waiting_line {
  public:
    static constexpr uint32_t most_passes = 8;

    // Names one that waits; never 0.
    using ticket = uint64_t;

    ticket add(int32_t priority, T item) {
        line_.push_back({ next_ticket_, priority, 0, std::move(item) });
        return next_ticket_++;
    }

    // Nothing if nobody waits. Takes no memory.
    std::optional<T> take_next() {
        if (line_.empty()) return std::nullopt;
        const auto next = choose();
        // All before it came earlier.
        for (auto passed = line_.begin(); passed != next; ++passed) passed->n_passes++;
        return taken(next);
    }

    // Nothing if it does not wait any more.
    std::optional<T> remove(ticket which) {
        const auto found = std::find_if(line_.begin(), line_.end(), [&](const entry & e) { return e.id == which; });
        if (found == line_.end()) return std::nullopt;
        return taken(found);
    }

    size_t size() const { return line_.size(); }

  private:
    struct entry {
        ticket id;
        int32_t priority;
        uint32_t n_passes;
        T item;
    };
    using place = typename std::list<entry>::iterator;

    place choose() {
        // Whoever passes one passes all before it as well, so that the first has been passed most often.
        if (line_.front().n_passes >= most_passes) return line_.begin();
        return std::max_element(line_.begin(), line_.end(),
                                [](const entry & a, const entry & b) { return a.priority < b.priority; });
    }

    std::optional<T> taken(place where) {
        std::optional<T> item(std::move(where->item));
        line_.erase(where);
        return item;
    }

    std::list<entry> line_;  // in the order in which they came
    ticket next_ticket_ = 1;
};

}  // namespace overfill
