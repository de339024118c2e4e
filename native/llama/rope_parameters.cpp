#include "rope_parameters.h"

#include "llama-model.h"
#include "private_members.h"

#include <ggml-backend.h>

#include <algorithm>
#include <cmath>

namespace overfill {

bool rope_parameters::operator==(const rope_parameters & o) const {
    if (none() || o.none()) return none() == o.none();
    return type == o.type && n_dims == o.n_dims && base == o.base && scale == o.scale &&
           (ext_factor == 0.0f ||
            (n_ctx_orig == o.n_ctx_orig && beta_fast == o.beta_fast && beta_slow == o.beta_slow)) &&
           ext_factor == o.ext_factor && attn_factor == o.attn_factor && factors == o.factors;
}

rope_parameters rope_of(const llama_context * ctx, uint32_t layer) {
    const llama_model & model = ctx->get_model();
    const llama_cparams & cparams = ctx->get_cparams();
    rope_parameters rope;
    if (model.hparams.rope_type == LLAMA_ROPE_TYPE_NONE || model.hparams.rope_pattern[layer] == 0) return rope;
    rope.type = model.hparams.rope_type;
    rope.n_dims = (int32_t) model.hparams.n_rot(layer);
    rope.base = model.get_rope_freq_base(cparams, (int) layer);
    rope.scale = model.get_rope_freq_scale(cparams, (int) layer);
    rope.n_ctx_orig = (int32_t) cparams.n_ctx_orig_yarn;
    rope.ext_factor = cparams.yarn_ext_factor;
    rope.attn_factor = cparams.yarn_attn_factor;
    rope.beta_fast = cparams.yarn_beta_fast;
    rope.beta_slow = cparams.yarn_beta_slow;
    const ggml_tensor * factors = model.get_rope_factors(cparams, (int) layer);
    if (factors && factors->type == GGML_TYPE_F32 && factors->buffer) {
        rope.factors.resize((size_t) ggml_nelements(factors));
        ggml_backend_tensor_get(factors, rope.factors.data(), 0, ggml_nbytes(factors));
        rope.factors.resize(std::min(rope.factors.size(), (size_t) rope.n_dims / 2));
    }
    return rope;
}

// The pair at which a wavelength makes `n_rotations` turns within the original context.
static double correction_pair(const rope_parameters & rope, double n_rotations) {
    const double pi = 3.14159265358979323846;
    return rope.n_dims * std::log(rope.n_ctx_orig / (n_rotations * 2 * pi)) / (2 * std::log((double) rope.base));
}

rope_frequencies frequencies_of(const rope_parameters & rope) {
    rope_frequencies out;
    if (rope.none()) return out;
    out.magnitude = rope.attn_factor;
    if (rope.ext_factor != 0.0f) out.magnitude *= 1.0 + 0.1 * std::log(1.0 / rope.scale);
    double first = 0, last = 0;
    if (rope.ext_factor != 0.0f) {
        first = std::max(0.0, std::floor(correction_pair(rope, rope.beta_fast)));
        last = std::min(rope.n_dims - 1.0, std::ceil(correction_pair(rope, rope.beta_slow)));
    }
    for (int32_t i = 0; i < rope.n_dims / 2; i++) {
        double angle = std::pow((double) rope.base, -2.0 * i / rope.n_dims);
        if ((size_t) i < rope.factors.size()) angle /= rope.factors[(size_t) i];
        const double interpolated = angle * rope.scale;
        double mix = 0;
        if (rope.ext_factor != 0.0f) {
            const double ramp = (i - first) / std::max(0.001, last - first);
            mix = (1.0 - std::min(1.0, std::max(0.0, ramp))) * rope.ext_factor;
        }
        out.angles.push_back(interpolated * (1 - mix) + angle * mix);
    }
    return out;
}

}  // namespace overfill
