#include "graph_cache.h"

#include <algorithm>

namespace overfill {

static constexpr size_t most_graphs = 8;
static constexpr uint64_t most_bytes = (uint64_t) 2 << 30;

training_graph & graph_cache::get(const batch_shape & batch, bool trains) {
    const auto found = std::find_if(entries_.begin(), entries_.end(), [&](const entry & e) {
        return e.trains == trains && e.batch.n_sequences == batch.n_sequences && e.batch.n_tokens == batch.n_tokens &&
               e.batch.n_prefix == batch.n_prefix;
    });
    if (found != entries_.end()) {
        entries_.splice(entries_.begin(), entries_, found);
        return *entries_.front().graph;
    }
    // Room is made before the new one takes its own; the last graph's size is a guess at the new one's.
    uint64_t wanted = n_bytes() + (entries_.empty() ? 0 : entries_.front().graph->n_bytes());
    while (!entries_.empty() && (entries_.size() >= most_graphs || wanted > most_bytes)) {
        wanted -= entries_.back().graph->n_bytes();
        entries_.pop_back();
    }
    auto graph = std::make_unique<training_graph>(shape_, model_, device_, batch, trains ? distil_ : distillation{},
                                                  parameters_, trains ? &gradients_ : nullptr, reader_);
    entries_.push_front({ batch, trains, std::move(graph) });
    return *entries_.front().graph;
}

uint64_t graph_cache::n_bytes() const {
    uint64_t n = 0;
    for (const entry & e : entries_) n += e.graph->n_bytes();
    return n;
}

}  // namespace overfill
