// The reader's half of a training graph: the full model over the prompts of a batch, whose K and V are the past that
// the writer's half goes on from. Where the reader is trained, gradients come back that way, from the loss of the
// response, and from its own first token beside it (Disaggregated Quantization, arXiv 2609.26333).
#pragma once

#include "decoder.h"
#include "loss.h"
#include "train_batch.h"

#include <cstdint>
#include <vector>

namespace overfill {

// Where a writer's layer finds its past in the reader.
struct reader_link {
    uint32_t layer = 0;
    bool before_rope = false;  // K without its position encoding: what is to come is behind a map
};

// The reader as a graph needs it; what it refers to outlives the graph.
struct graph_reader {
    const training_shape & shape;
    const decoder & model;
    const parameter_list & trained;
    const std::vector<reader_link> & links;  // by the writer's layer
};

class reader_side {
  public:
    // Throws ERR_OUT_OF_MEMORY, and ERR_INVALID_ARGUMENT for a batch that is too large.
    reader_side(const graph_reader & reader, const batch_shape & batch, const distillation & distil,
                const compute_device & device);

    // Adds the pass and the loss of the first tokens; the prefix of `writer` is then what the reader has read. Throws
    // ERR_OPERATION_UNSUPPORTED for K that cannot be had before its RoPE, and what decoder::forward throws.
    void build(tape & t, ggml_context * ctx, decoder_inputs & writer);

    ggml_tensor * logits() const { return loss_in_.logits; }  // [n_vocab, n_sequences], of the first tokens
    const loss_outputs & loss() const { return loss_out_; }
    // Of the last build, by the reader's layers.
    const decoder_rows & rows() const { return rows_; }
    size_t n_layers() const { return reader_.shape.layers.size(); }

    // Throws ERR_INVALID_ARGUMENT for readings that do not fit.
    void set_inputs(const std::vector<reader_input> & readings);

  private:
    std::vector<float> mask_of(uint32_t window) const;

    const graph_reader & reader_;
    batch_shape batch_;
    distillation distil_;
    ggml_context_ptr ctx_;
    bool on_cpu_;
    ggml_backend_buffer_ptr buffer_;
    decoder_inputs in_;
    decoder_rows rows_;
    loss_inputs loss_in_;
    loss_outputs loss_out_;
};

}  // namespace overfill
