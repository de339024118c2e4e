// The training graphs of a run by the shape of their batches: building one takes longer than a small step.
#pragma once

#include "training_graph.h"

#include <cstdint>
#include <list>
#include <memory>

namespace overfill {

class graph_cache {
  public:
    // What it is given by reference outlives it.
    graph_cache(const training_shape & shape, const decoder & model, const compute_device & device,
                const parameter_set & parameters, const parameter_sums & gradients, const distillation & distil,
                const graph_reader * reader)
        : shape_(shape), model_(model), device_(device), parameters_(parameters), gradients_(gradients),
          distil_(distil), reader_(reader) {}

    // Good until the next call. `trains`: with gradients and distillation; else the loss only. Throws as
    // training_graph's constructor does.
    training_graph & get(const batch_shape & batch, bool trains);

    uint64_t n_bytes() const;  // of the activations of all that it holds

  private:
    struct entry {
        batch_shape batch;
        bool trains;
        std::unique_ptr<training_graph> graph;
    };

    const training_shape & shape_;
    const decoder & model_;
    const compute_device & device_;
    const parameter_set & parameters_;
    const parameter_sums & gradients_;
    distillation distil_;
    const graph_reader * reader_;  // null: it is not trained
    std::list<entry> entries_;     // the last used first
};

}  // namespace overfill
