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
static void refuse_unknown_facts(const std::string & path, const gguf_metadata & metadata, const architecture & row,
                                 uint32_t n_layer) {
    for (const char * key :
         { "expert_count", "attention.max_alibi_bias", "attention.clamp_kqv", "attention.temperature_scale" })
        if (metadata.number(std::string(row.name) + "." + key).value_or(0) != 0)
            unsupported(path, row.name, "the training graph does not support " + std::string(key));
    if (metadata.number("split.count").value_or(1) > 1) unsupported(path, row.name, "it is split into several files");
    // What such a model has instead is ALiBi.
    if (row.rope_layers && n_layer != row.rope_layers)
        unsupported(path, row.name, "with " + std::to_string(n_layer) + " layers it has no RoPE");
}

// Factors and caps, with the defaults of llama.cpp's loaders.
static void add_factors(training_shape & shape, const gguf_metadata & metadata) {
    const architecture & row = shape.arch;
    const auto n_layer = (uint32_t) shape.layers.size();
    const auto value = [&](const char * key, double otherwise) {
        const auto given = metadata.number(std::string(row.name) + "." + key);
        return (float) (given && *given != 0 ? *given : otherwise);
    };
    const bool wide = row.wide_scale_layers && n_layer == row.wide_scale_layers;
    const uint32_t width = wide ? shape.n_embd / shape.n_head : shape.head_size_k;
    shape.attention_factor = value("attention.scale", 1 / std::sqrt((double) width));
    shape.embedding_factor =
        row.scaled_embedding ? std::sqrt((float) shape.n_embd) : value("embedding_scale", row.shaped_scales ? 12 : 1);
    shape.residual_factor = value("residual_scale", row.shaped_scales ? 1.4 / std::sqrt((double) n_layer) : 1);
    shape.logit_factor = 1 / value("logit_scale", row.shaped_scales ? 256.0 / shape.n_embd : 1);
    const bool gemma2 = std::string(row.name) == "gemma2";
    shape.attention_cap = gemma2 ? value("attn_logit_softcapping", 50) : 0;
    shape.logit_cap = value("final_logit_softcapping", gemma2 ? 30 : 0);
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
    if (!ctx) throw failure(error_code::out_of_memory, "could not create a context for the model: " + log.errors());
    return ctx;
}

training_shape training_shape_of(const std::string & path, uint32_t context_size) {
    const std::string name = check_model_file(path).architecture;
    const architecture * row = find_architecture(name);
    if (!row)
        unsupported(path, name,
                    "the training graph does not know the architecture " + name + other_memory(path, "training"));
    const gguf_metadata metadata(path);

    const auto model = load_model({ path, 0 }, load_depth::weights, [](float) { return true; });
    const auto ctx = make_context(model.get(), context_size);
    const model_traits traits = traits_of(model.get());
    if (traits.encoder || !traits.causal) unsupported(path, name, "it is not a causal decoder");
    if (!traits.memory.can_be_translated())
        unsupported(path, name, "training knows KV caches only, and its memory is another: " + traits.memory.name());
    refuse_unknown_facts(path, metadata, *row, traits.n_layer);

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
    add_factors(shape, metadata);
    return shape;
}

}  // namespace overfill
