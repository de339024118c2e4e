#include "training_shape.h"

#include "failure.h"
#include "gguf_metadata.h"
#include "llama_log.h"
#include "model_file.h"
#include "model_traits.h"
#include "models.h"

#include <cmath>

namespace overfill {

[[noreturn]] static void unsupported(const std::string & path, const std::string & architecture,
                                     const std::string & what) {
    throw failure(error_code::model_unsupported, path + " cannot be trained: " + what,
                  { { "path", path }, { "architecture", architecture } });
}

// Metadata that changes what a graph computes, and that ours does not compute.
static void refuse_unknown_facts(const std::string & path, const gguf_metadata & metadata, const std::string & name) {
    const auto refuse = [&](const char * key, double neutral) {
        const double value = metadata.number(name + "." + key).value_or(0);
        if (value != 0 && value != neutral) unsupported(path, name, "the training graph has no " + std::string(key));
    };
    for (const char * key : { "attn_logit_softcapping", "final_logit_softcapping", "expert_count",
                              "attention.max_alibi_bias", "attention.clamp_kqv" })
        refuse(key, 0);
    for (const char * factor : { "logit_scale", "embedding_scale", "residual_scale" }) refuse(factor, 1);
    if (metadata.number("split.count").value_or(1) > 1) unsupported(path, name, "it is split into several files");
}

// Gemma 3 of 62 layers is the one member of its family whose scores go by the width of the embedding.
static float attention_factor_of(const gguf_metadata & metadata, const model_traits & traits, uint32_t head_size) {
    const auto given = metadata.number(traits.architecture + ".attention.scale");
    if (given && *given != 0) return (float) *given;
    const bool by_embedding = traits.architecture == "gemma3" && traits.n_layer == 62;
    return 1.0f / std::sqrt((float) (by_embedding ? traits.n_embd / traits.n_head : head_size));
}

static context_ptr make_context(llama_model * model, uint32_t context_size) {
    llama_context_params params = llama_context_default_params();
    params.n_ctx = context_size;
    params.n_batch = params.n_ubatch = 32;
    params.n_seq_max = 1;
    params.n_threads = params.n_threads_batch = 1;
    params.no_perf = true;
    const log_capture log;
    context_ptr ctx(llama_init_from_model(model, params));
    if (!ctx) throw failure(error_code::out_of_memory, "no context for a model: " + log.errors());
    return ctx;
}

training_shape training_shape_of(const std::string & path, uint32_t context_size) {
    const std::string name = check_model_file(path).architecture;
    const architecture * row = find_architecture(name);
    if (!row) unsupported(path, name, "the training graph does not know the architecture " + name);
    const gguf_metadata metadata(path);
    refuse_unknown_facts(path, metadata, name);

    const auto model = load_model({ path, 0 }, load_depth::weights, [](float) { return true; });
    const auto ctx = make_context(model.get(), context_size);
    const model_traits traits = traits_of(model.get());
    if (traits.recurrent || traits.encoder || !traits.causal || traits.latent_kv)
        unsupported(path, name, "it is no causal decoder with a KV cache");

    training_shape shape;
    shape.arch = *row;
    shape.n_embd = traits.n_embd;
    shape.n_ff = traits.n_ff;
    shape.n_head = traits.n_head;
    shape.n_head_kv = traits.n_head_kv;
    shape.n_vocab = traits.n_vocab;
    shape.sliding_window = traits.sliding_window;
    shape.norm_eps = (float) metadata.number(name + ".attention.layer_norm_rms_epsilon").value_or(0);
    for (uint32_t il = 0; il < traits.n_layer; il++) {
        const layer_traits & layer = traits.layers[il];
        if (il == 0) {
            shape.head_size_k = layer.head_size_k;
            shape.head_size_v = layer.head_size_v;
        }
        if (layer.n_head_kv != shape.n_head_kv || layer.head_size_k != shape.head_size_k ||
            layer.head_size_v != shape.head_size_v)
            unsupported(path, name, "its layers have different heads");
        training_layer out;
        out.sliding = layer.sliding;
        const bool rope_free = row->rope_free_step && (il + 1) % row->rope_free_step == 0;
        if (!rope_free) out.rope = rope_of(ctx.get(), il);
        if (!out.rope.plain()) unsupported(path, name, "its position encoding has several dimensions");
        shape.layers.push_back(std::move(out));
    }
    for (const char * key : { ".attention.head_count", ".feed_forward_length" })
        for (const double value : metadata.numbers(name + key))
            if (value != (key[1] == 'a' ? shape.n_head : shape.n_ff))
                unsupported(path, name, "its layers have different widths");
    shape.attention_factor = attention_factor_of(metadata, traits, shape.head_size_k);
    return shape;
}

}  // namespace overfill
