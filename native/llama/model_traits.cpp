#include "model_traits.h"

#include "llama-model.h"

#include <ggml-backend.h>

#include <cstdio>

namespace overfill {

bool layer_traits::operator==(const layer_traits & o) const {
    return n_head_kv == o.n_head_kv && head_size_k == o.head_size_k && head_size_v == o.head_size_v &&
           sliding == o.sliding && rope == o.rope && n_rot == o.n_rot && rope_base == o.rope_base &&
           rope_scale == o.rope_scale && kv_layer == o.kv_layer && latent_width == o.latent_width;
}

static std::string metadata_string(const llama_model * model, const char * key) {
    char text[256];
    const int n = llama_model_meta_val_str(model, key, text, sizeof text);
    return n < 0 ? "" : text;
}

// llama.cpp names sizes from a list of known models and writes "?B" for others, which pruned models always are.
static std::string description_of(const llama_model * model) {
    char text[128];
    llama_model_desc(model, text, sizeof text);
    std::string description = text;
    const std::string unknown = " ?B ";
    const size_t at = description.find(unknown);
    if (at == std::string::npos) return description;
    const double n = (double) llama_model_n_params(model);
    char size[32];
    if (n >= 1e9)
        snprintf(size, sizeof size, " %.1fB ", n / 1e9);
    else
        snprintf(size, sizeof size, n >= 1e7 ? " %.0fM " : " %.2fM ", n / 1e6);
    return description.replace(at, unknown.size(), size);
}

// Appends a factor tensor's values. A model loaded without weights has none: its factors are then left out on both
// sides of a comparison only if both were loaded so.
static void append_factors(std::vector<float> & out, const ggml_tensor * tensor) {
    if (!tensor) return;
    const size_t n = (size_t) ggml_nelements(tensor), at = out.size();
    out.resize(at + n);
    if (tensor->buffer && tensor->data && tensor->type == GGML_TYPE_F32)
        ggml_backend_tensor_get(tensor, out.data() + at, 0, n * sizeof(float));
}

// Some layers of a hybrid have no heads, others no FFN.
template <class F> static uint32_t first_of_layers(uint32_t n_layer, F && value) {
    for (uint32_t il = 0; il < n_layer; il++)
        if (value(il) != 0) return value(il);
    return 0;
}

model_traits traits_of(const llama_model * model) {
    const llama_hparams & hparams = model->hparams;
    model_traits t;
    t.architecture = metadata_string(model, "general.architecture");
    const std::string parent = metadata_string(model, "overfill.parent.architecture");
    t.family = parent.empty() ? t.architecture : parent;
    t.name = metadata_string(model, "general.name");
    t.description = description_of(model);
    t.n_params = llama_model_n_params(model);
    t.n_bytes = llama_model_size(model);
    t.n_ctx_train = hparams.n_ctx_train;
    t.n_positions = model->pos_embd ? (uint32_t) model->pos_embd->ne[1] : 0;
    t.n_embd = hparams.n_embd;
    t.n_layer = hparams.n_layer();
    t.n_head = first_of_layers(t.n_layer, [&](uint32_t il) { return hparams.n_head(il); });
    t.n_head_kv = first_of_layers(t.n_layer, [&](uint32_t il) { return hparams.n_head_kv(il); });
    t.n_ff = first_of_layers(t.n_layer, [&](uint32_t il) { return hparams.n_ff(il); });
    t.n_vocab = (uint32_t) llama_vocab_n_tokens(llama_model_get_vocab(model));
    t.causal = hparams.causal_attn;
    t.encoder = llama_model_has_encoder(model) || !llama_model_has_decoder(model);
    t.diffusion = llama_model_is_diffusion(model);
    // The graph of BitNet takes the embedding for its output without saying so in the model.
    t.embedding = model->arch == LLM_ARCH_LLAMA_EMBED || (!model->output && model->arch != LLM_ARCH_BITNET);
    t.draft = drafts_for_another(model);
    t.memory = memory_traits_of(model);

    t.rope_type = llama_model_rope_type(model);
    t.rope_scaling_type = hparams.rope_scaling_type_train;
    t.rope_original_context = hparams.n_ctx_orig_yarn;
    t.rope_attention_factor = hparams.rope_attn_factor;
    t.yarn_ext_factor = hparams.yarn_ext_factor;
    t.yarn_attn_factor = hparams.yarn_attn_factor;
    t.yarn_beta_fast = hparams.yarn_beta_fast;
    t.yarn_beta_slow = hparams.yarn_beta_slow;
    t.yarn_log_factor = hparams.rope_yarn_log_mul;
    t.rope_sections.assign(hparams.rope_sections.begin(), hparams.rope_sections.end());
    t.sliding_window = hparams.swa_type == LLAMA_SWA_TYPE_NONE ? 0 : hparams.n_swa;

    for (uint32_t il = 0; il < t.n_layer; il++) {
        const bool sliding = t.sliding_window > 0 && hparams.is_swa(il);
        layer_traits layer;
        layer.kv_layer = il < t.memory.kv_of_layer.size() ? t.memory.kv_of_layer[il] : -1;
        layer.n_head_kv = layer.kv_layer == (int32_t) il ? hparams.n_head_kv(il) : 0;
        layer.head_size_k = hparams.n_embd_head_k(il);
        layer.head_size_v = hparams.n_embd_head_v(il);
        layer.sliding = sliding;
        layer.rope = hparams.rope_pattern[il] != 0;
        layer.n_rot = hparams.n_rot(il);
        layer.rope_base = sliding ? hparams.rope_freq_base_train_swa : hparams.rope_freq_base_train;
        layer.rope_scale = sliding ? hparams.rope_freq_scale_train_swa : hparams.rope_freq_scale_train;
        const uint32_t latent = sliding && hparams.n_lora_kv_swa ? hparams.n_lora_kv_swa : hparams.n_lora_kv;
        layer.latent_width = t.memory.latent ? latent : 0;
        t.layers.push_back(layer);
    }
    if (!model->layers.empty()) {
        append_factors(t.rope_factors, model->layers[0].rope_long);
        append_factors(t.rope_factors, model->layers[0].rope_short);
        append_factors(t.rope_factors, model->layers[0].rope_freqs);
    }
    return t;
}

std::string cache_devices(const llama_model * model) {
    std::string out, current;
    uint32_t n = 0;
    const auto flush = [&] {
        if (n == 0) return;
        out += (out.empty() ? "" : ", ") + current;
        if (n != model->hparams.n_layer()) out += " x " + std::to_string(n);
    };
    for (uint32_t il = 0; il < model->hparams.n_layer(); il++) {
        const std::string device = ggml_backend_dev_name(model->dev_layer((int) il));
        if (n > 0 && device != current) {
            flush();
            n = 0;
        }
        current = device;
        n++;
    }
    flush();
    return out;
}

const char * rope_type_name(int rope_type) {
    switch (rope_type) {
    case LLAMA_ROPE_TYPE_NONE: return "none";
    case LLAMA_ROPE_TYPE_NORM: return "norm";
    case LLAMA_ROPE_TYPE_NEOX: return "neox";
    default: return "multi-dimensional";
    }
}

const char * rope_scaling_name(int rope_scaling_type) {
    switch (rope_scaling_type) {
    case LLAMA_ROPE_SCALING_TYPE_NONE: return "none";
    case LLAMA_ROPE_SCALING_TYPE_LINEAR: return "linear";
    case LLAMA_ROPE_SCALING_TYPE_YARN: return "yarn";
    case LLAMA_ROPE_SCALING_TYPE_LONGROPE: return "longrope";
    default: return "unspecified";
    }
}

}  // namespace overfill
