// The loss of every token and its gradient with respect to the logits, as operations of a ggml graph.
//
//   loss = sum over tokens of  weight * ( (1 - share) * cross entropy  +  share * T^2 * KL )
//
// KL is the divergence of the student's distribution from the teacher's, both at temperature T; T^2 keeps its gradient
// of one size over all temperatures (Hinton et al., arXiv 1503.02531).
#pragma once

#include <ggml.h>

namespace overfill {

struct distillation {
    float share = 0;  // of the loss, 0 to 1; 0: none, no teacher is read
    float temperature = 1;
};

struct loss_inputs {
    ggml_tensor * logits = nullptr;   // [n_vocab, n]
    ggml_tensor * teacher = nullptr;  // logits [n_vocab, n]; null without distillation
    ggml_tensor * weights = nullptr;  // [1, n]
    // The place of each token's target among all n_vocab * n values, twice: ggml reads and writes by different types.
    ggml_tensor * target_i32 = nullptr;  // [n]
    ggml_tensor * target_i64 = nullptr;  // [n]
};

struct loss_outputs {
    ggml_tensor * cross_entropy = nullptr;  // [1, n], not weighted
    ggml_tensor * divergence = nullptr;     // [1, n], without T^2; null without distillation
    ggml_tensor * gradient = nullptr;       // [n_vocab, n]
};

// `on_cpu`: by the kernels of loss_kernel.h.
loss_outputs build_loss(ggml_context * ctx, const loss_inputs & in, const distillation & distil, bool on_cpu);

}  // namespace overfill
