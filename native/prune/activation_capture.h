// Shows the activations of a forward pass while llama.cpp computes it, through its scheduler's evaluation callback.
//
// A node of the graph is known by the weight that it works with, not by a name that llama.cpp gave it for debugging:
//
//   heads            what is multiplied with blk.N.attn_output.weight   [heads x head size, n_tokens]
//   ffn              what is multiplied with blk.N.ffn_down.weight      [n_ff, n_tokens]
//   attention_norm   norms before the blocks: what blk.N.attn_norm.weight was multiplied with; after them:
//                    blk.N.post_attention_norm.weight                   [n_embd, n_tokens]
//   ffn_norm         before: what is multiplied with blk.N.ffn_up.weight, whatever the norm before it is called; after:
//                    blk.N.post_ffw_norm.weight                         [n_embd, n_tokens]
//   residual         what enters layer N: before: what was normalised for attn_norm; after: what is multiplied with
//                    blk.N.attn_q.weight or attn_qkv. As layer n_layer: the last sum before the output's norm
//                                                                       [n_embd, n_tokens]
//
// A matrix product never overwrites what it multiplies, and a layer's residual is needed again at its end; so both can
// be read when the node has just been computed. The last residual is needed no more once it is normalised; that is why
// the sums themselves are watched for it.
#pragma once

#include "architecture.h"

#include <ggml.h>

#include <array>
#include <cstdint>
#include <exception>
#include <functional>
#include <string_view>
#include <vector>

namespace overfill {

enum class activation { residual, attention_norm, heads, ffn_norm, ffn };
constexpr size_t n_activations = 5;
const char * activation_name(activation what);

class activation_capture {
  public:
    // Called once for each activation of each layer, in the order of the computation (the residual of layer n_layer
    // last), with one row a token. The rows are there until the call returns.
    using receiver =
        std::function<void(activation what, uint32_t layer, const float * rows, size_t n_columns, size_t n_rows)>;

    activation_capture(norm_place norms, uint32_t n_layer, receiver receive);

    // llama_context_params::cb_eval, with the capture as its user data.
    static bool callback(ggml_tensor * node, bool ask, void * capture);
    // No exception may pass through llama.cpp: one that the receiver throws is kept, and the computation may stop.
    bool has_failed() const { return error_ != nullptr; }

    // Around each micro-batch. `end` throws what was kept, or ERR_PRUNE_UNSUPPORTED if something was not seen.
    void begin();
    void end();

  private:
    using give = std::function<void(activation what, uint32_t layer, const ggml_tensor * rows)>;

    bool asks_for(const ggml_tensor * node);
    void show(const ggml_tensor * node);
    bool is_sum_in_tail(const ggml_tensor * node) const;
    void each(const ggml_tensor * node, const give & give) const;
    void each_of_product(const ggml_tensor * node, const give & give) const;
    void each_of_scaling(const ggml_tensor * node, const give & give) const;
    void receive_rows(activation what, uint32_t layer, const float * rows, size_t n_columns, size_t n_rows);
    const float * read(const ggml_tensor * rows);

    norm_place norms_;
    uint32_t n_layer_;
    receiver receive_;
    std::exception_ptr error_;
    std::array<std::vector<bool>, n_activations> seen_;
    std::vector<float> buffer_;  // of a device, or of rows with gaps

    // Between the last layer's down projection and the output's norm.
    bool in_tail_ = false;
    size_t tail_columns_ = 0;
    std::vector<float> tail_;  // the last sum seen there
};

}  // namespace overfill
