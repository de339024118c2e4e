// The forward and backward pass over batches of one shape: built once, run many times.
#pragma once

#include "decoder.h"
#include "loss.h"
#include "reader_side.h"
#include "train_batch.h"

#include <ggml-alloc.h>

#include <memory>
#include <vector>

namespace overfill {

struct train_loss {
    double total = 0;          // what the gradients are of
    double cross_entropy = 0;  // both weighted by the tokens' weights
    double divergence = 0;
    double first = 0;  // the part of the total that is the reader's first tokens
};

class training_graph {
  public:
    // Gradients are added to `gradients`; null: the loss only. With a `reader`, batches have readings in place of
    // prefixes, and its parameters get gradients as well. What it is given by reference outlives it. Throws
    // ERR_OUT_OF_MEMORY, and what decoder::forward, reader_side and compute_device::check_supported throw.
    training_graph(const training_shape & shape, const decoder & model, const compute_device & device,
                   const batch_shape & batch, const distillation & distil, const parameter_set & parameters,
                   const parameter_sums * gradients, const graph_reader * reader = nullptr);
    ~training_graph();

    // Throws ERR_INVALID_ARGUMENT for a batch that does not fit, and what compute_device::run throws. The loss may be
    // infinite or no number: that is for the caller to judge.
    train_loss run(const train_batch & batch);

    // Of the last run, [n_sequences][n_tokens][n_vocab].
    std::vector<float> logits() const;

    uint64_t n_bytes() const;  // of activations

  private:
    void check(const train_batch & batch) const;
    void set_inputs(const train_batch & batch);
    std::vector<float> mask_of(const train_batch & batch, uint32_t window) const;

    const training_shape & shape_;
    const compute_device & device_;
    batch_shape batch_;
    distillation distil_;
    ggml_context_ptr inputs_ctx_, ctx_;
    ggml_backend_buffer_ptr inputs_buffer_;
    std::unique_ptr<reader_side> reader_;  // null: there is none, or nothing to read
    std::unique_ptr<ggml_gallocr, void (*)(ggml_gallocr_t)> memory_;
    ggml_cgraph * graph_ = nullptr;
    decoder_inputs in_;
    loss_inputs loss_in_;
    loss_outputs loss_out_;
};

}  // namespace overfill
