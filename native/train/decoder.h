// The forward pass of a decoder on a tape, as its architecture's row says: the same operations as llama.cpp's graph of
// it, in f32 and for several sequences at once. Tensor names are the GGUF file's.
#pragma once

#include "parameters.h"
#include "tape.h"
#include "trained_maps.h"
#include "training_shape.h"

#include <ggml.h>

#include <set>
#include <string>
#include <vector>

namespace overfill {

// What the pass reads; n = n_tokens * n_sequences, a sequence's tokens next to each other.
struct decoder_inputs {
    int64_t n_tokens = 0, n_sequences = 0;
    ggml_tensor * tokens = nullptr;        // I32 [n]
    ggml_tensor * positions = nullptr;     // I32 [n]
    ggml_tensor * mask = nullptr;          // [n_prefix + n_tokens, n_tokens, 1, n_sequences]
    ggml_tensor * sliding_mask = nullptr;  // the same for layers with a sliding window
    // Of the two, as visible_attention.h has them; null where all is computed.
    ggml_tensor * spans = nullptr;
    ggml_tensor * sliding_spans = nullptr;
    // By layer, rows as a cache has them: [n_prefix_k, n_prefix, n_sequences], K after RoPE; where there is a map, what
    // it takes. Empty: no prefix.
    std::vector<ggml_tensor *> prefix_k, prefix_v;
    ggml_tensor * prefix_positions = nullptr;  // I32 [n_prefix * n_sequences]
    ggml_tensor * asked = nullptr;  // I32 [n_asked]: places of the tokens whose logits are wanted; null: of all
};

// What a pass leaves in a cache, by layer: [n_embd, n_tokens, n_sequences].
struct decoder_rows {
    std::vector<ggml_tensor *> k;              // as it is stored
    std::vector<ggml_tensor *> k_before_rope;  // null where what is done behind RoPE cannot be done before it
    std::vector<ggml_tensor *> v;
};

class decoder {
  public:
    // The shape's RoPE factors go to the device; shape and parameters outlive this object. A prefix goes through
    // `maps`. Throws ERR_OUT_OF_MEMORY.
    decoder(const training_shape & shape, const parameter_set & parameters, const compute_device & device,
            const trained_maps & maps = {});

    // Widths of a prefix's rows.
    int64_t n_prefix_k(size_t layer) const;
    int64_t n_prefix_v(size_t layer) const;

    // Logits [n_vocab, n], or of what is asked for. `kept`: the rows as well. Throws ERR_MODEL_INVALID for a missing
    // weight, ERR_MODEL_UNSUPPORTED for one that the pass has no use for.
    ggml_tensor * forward(tape & t, const decoder_inputs & in, decoder_rows * kept = nullptr) const;

  private:
    struct pass;
    const training_shape & shape_;
    const parameter_set & parameters_;
    trained_maps maps_;
    ggml_context_ptr ctx_;
    ggml_backend_buffer_ptr buffer_;
    std::vector<ggml_tensor *> factors_;  // by layer, null where there are none
};

}  // namespace overfill
