// How a pair makes its contexts: what their caches are made of and how large, and which of them use one.
#include "cache_sharing.h"
#include "failure.h"
#include "llama_log.h"
#include "memory_lending.h"
#include "pair.h"
#include "sequence_state.h"

#include <algorithm>

namespace overfill {

static constexpr uint32_t default_context_size = 4096;
// The decode context's own cache before sharing, and its micro-batch: answers are read token by token, given texts
// (score.h) in pieces that cost little memory for logits.
static constexpr uint32_t tiny_context_size = 256;
static constexpr uint32_t decode_micro_batch = 32;
static constexpr uint32_t max_sequences = 256;

static enum llama_flash_attn_type flash_attn_type(flash_attention attention) {
    switch (attention) {
    case flash_attention::on: return LLAMA_FLASH_ATTN_TYPE_ENABLED;
    case flash_attention::off: return LLAMA_FLASH_ATTN_TYPE_DISABLED;
    case flash_attention::automatic: break;
    }
    return LLAMA_FLASH_ATTN_TYPE_AUTO;
}

static llama_context_params context_params(const pair_options & options) {
    llama_context_params params = llama_context_default_params();
    params.n_seq_max = options.max_sessions;
    params.n_threads = options.n_threads;
    params.n_threads_batch = options.n_threads;
    params.type_k = options.cache_type_k;
    params.type_v = options.cache_type_v;
    params.flash_attn_type = flash_attn_type(options.attention);
    params.kv_unified = false;
    params.swa_full = true;  // a refresh goes back in the sequence, where a sliding cache has already let go
    params.no_perf = true;
    return params;
}

static context_ptr make_context(llama_model * model, const llama_context_params & params, const char * which) {
    const log_capture log;
    context_ptr ctx(llama_init_from_model(model, params));
    if (ctx) return ctx;
    throw failure(error_code::out_of_memory,
                  std::string("could not create a context for the ") + which + " model: " + log.errors(),
                  { { "model", which } });
}

// llama.cpp says no to these with a null pointer and a line in its log; the caller gets the parameter's name.
static void check_cache_types(ggml_type type_k, ggml_type type_v, flash_attention attention,
                              const model_traits & model) {
    const auto refuse = [](const char * parameter, const std::string & why) {
        throw failure(error_code::invalid_argument, why, { { "parameter", parameter } });
    };
    const bool quantized_v = ggml_is_quantized(type_v);
    if (quantized_v && attention == flash_attention::off)
        refuse("cacheTypeV", "a quantised V cache needs flash attention");
    for (const layer_traits & layer : model.layers) {
        if (layer.head_size_k % (uint32_t) ggml_blck_size(type_k) != 0)
            refuse("cacheTypeK", std::string("the head size ") + std::to_string(layer.head_size_k) +
                                     " is not a multiple of the block size of " + ggml_type_name(type_k));
        if (layer.head_size_v % (uint32_t) ggml_blck_size(type_v) != 0)
            refuse("cacheTypeV", std::string("the head size ") + std::to_string(layer.head_size_v) +
                                     " is not a multiple of the block size of " + ggml_type_name(type_v));
    }
}

// A state that is put aside has to be all there is. llama.cpp leaves out, and lets others overwrite, what a sliding
// window has passed, which a session comes back to where it is cut. A compressed memory does not share its cells at
// all, and of caches with an indexer nobody has tried it.
static void check_can_pool(const model_traits & model) {
    switch (model.memory.form) {
    case memory_form::attention:
    case memory_form::recurrent:
    case memory_form::hybrid: return;
    default:
        throw failure(error_code::invalid_argument,
                      "cacheTokens is not for a " + model.architecture +
                          " model, whose memory sessions cannot share; leave it out",
                      { { "parameter", "cacheTokens" } });
    }
}

// What the flash attention option says about V's layout may be overruled by a device.
static bool layouts_differ(const llama_context * a, const llama_context * b) {
    return view_kv(a)[0].v_transposed != view_kv(b)[0].v_transposed;
}

// Beyond these llama.cpp looks for a position in a table that does not have it, and ends the process.
static uint32_t positions_of(const model_traits & model) { return model.n_positions ? model.n_positions : UINT32_MAX; }

// Lends the prefill context's memory, or shares its cache through a layer map. False if the devices do not allow that.
bool pair::share_memory(size_t index, llama_context_params params) {
    const std::vector<int32_t> & layer_map = models_.writers[index].plan.layer_map;
    context_ptr & context = writers_[index].context;
    params.n_ctx = tiny_context_size;
    params.n_seq_max = 1;
    context = make_context(models_.writers[index].model.get(), params, "decode");
    if (layer_map.empty()) {
        lend_memory(prefill_.get(), context.get());
        return true;
    }
    if (!layouts_differ(prefill_.get(), context.get())) {
        share_kv_cache(prefill_.get(), context.get(), layer_map);
        maps_layers_ = true;
        return true;
    }
    context.reset();
    return false;
}

void pair::make_writer(size_t index, const pair_options & options, const writer_options & asked,
                       llama_context_params params) {
    compared_writer & model = models_.writers[index];
    writer & out = writers_[index];
    params.n_batch = params.n_ubatch = std::max(params.n_seq_max, decode_micro_batch);
    params.type_k = asked.cache_type_k.value_or(options.cache_type_k);
    params.type_v = asked.cache_type_v.value_or(options.cache_type_v);
    params.flash_attn_type = flash_attn_type(asked.attention.value_or(options.attention));

    if (model.plan.kind == handover_kind::share) {
        if (share_memory(index, params)) return;
        model.plan.kind = handover_kind::translate;
        model.plan.reasons.push_back({ "vTransposed", "by the device", "by the device", handover_kind::translate,
                                       "one of the devices has no flash attention" });
        if (options.handover == handover_choice::share) check_handover(model.plan, options.handover);
    }
    out.context = make_context(model.model.get(), params, "decode");
    if (options.cache_tokens > 0) set_sequence_size(out.context.get(), info_.context_size);
    out.over = std::make_unique<translate_handover>(prefill_.get(), out.context.get(),
                                                    resolve_translation(prefill_.get(), out.context.get(), model.how),
                                                    implementation_);
}

void pair::make_contexts(const pair_options & options, ggml_abort_callback should_abort, void * abort_data) {
    if (options.max_sessions < 1 || options.max_sessions > max_sequences)
        throw failure(error_code::invalid_argument, "maxSessions must be 1 to 256", { { "parameter", "maxSessions" } });
    check_cache_types(options.cache_type_k, options.cache_type_v, options.attention, models_.prefill_traits);
    const std::vector<writer_options> asked = options.writers();
    uint32_t trained = models_.prefill_traits.n_ctx_train, n_positions = positions_of(models_.prefill_traits);
    for (size_t i = 0; i < asked.size(); i++) {
        const model_traits & traits = models_.writers[i].traits;
        for_writer(options, asked[i].name, [&] {
            check_cache_types(asked[i].cache_type_k.value_or(options.cache_type_k),
                              asked[i].cache_type_v.value_or(options.cache_type_v),
                              asked[i].attention.value_or(options.attention), traits);
        });
        trained = std::min(trained, traits.n_ctx_train);
        n_positions = std::min(n_positions, positions_of(traits));
    }
    if (options.context_size > n_positions)
        throw failure(error_code::invalid_argument,
                      "contextSize must be at most " + std::to_string(n_positions) +
                          ": that many positions are what the model has learned, one by one",
                      { { "parameter", "contextSize" } });
    const uint32_t wanted = options.context_size ? options.context_size : std::min(trained, default_context_size);

    const memory_traits & memory = models_.prefill_traits.memory;
    can_cut_ = memory.can_be_cut();
    llama_context_params params = context_params(options);
    const uint32_t n_session = GGML_PAD(wanted, 256);
    params.n_ctx = n_session * options.max_sessions;
    if (options.cache_tokens > 0) {
        check_can_pool(models_.prefill_traits);
        params.kv_unified = true;
        params.n_ctx = std::max(GGML_PAD(options.cache_tokens, 256), n_session);
    }
    if (!can_cut_) {
        if (options.max_sessions > max_sequences / 2)
            throw failure(error_code::invalid_argument,
                          "maxSessions must be 1 to 128 for a " + models_.prefill_traits.architecture +
                              " model, whose memory needs a spare sequence for each session",
                          { { "parameter", "maxSessions" } });
        params.n_seq_max = 2 * options.max_sessions;
        // In separate streams a spare holds a copy of the whole KV cache. DeepSeek 4 knows nothing else.
        params.kv_unified = memory.form != memory_form::compressed;  // which refuses a pool
        if (!params.kv_unified) params.n_ctx *= 2;
    }
    // llama.cpp asserts that a batch has room for one token of each sequence.
    params.n_outputs_max = std::max(most_logits, params.n_seq_max);
    params.n_batch = params.n_ubatch = std::max(options.batch_size, params.n_seq_max);
    prefill_ = make_context(models_.prefill.get(), params, "prefill");
    if (options.cache_tokens > 0)
        info_.context_size = n_session;
    else
        info_.context_size = params.kv_unified ? params.n_ctx / options.max_sessions : llama_n_ctx_seq(prefill_.get());
    info_.context_size = std::min(info_.context_size, n_positions);
    info_.cache_tokens = options.cache_tokens > 0 ? params.n_ctx : info_.context_size * options.max_sessions;
    if (options.cache_tokens > 0) set_sequence_size(prefill_.get(), n_session);
    info_.max_sessions = options.max_sessions;

    info_.batch_size = std::min(llama_n_ubatch(prefill_.get()), options.batch_size);

    const auto prepare = [&](llama_context * ctx, const adapter_list & adapters) {
        use_adapters(ctx, adapters);
        llama_set_abort_callback(ctx, should_abort, abort_data);
        if (pool_->get()) llama_attach_threadpool(ctx, pool_->get(), pool_->get());
    };
    prepare(prefill_.get(), models_.prefill_adapters);
    implementation_ = { options.implementation, options.n_threads, options.cuda_library };
    writers_.resize(asked.size());
    for (size_t i = 0; i < asked.size(); i++)
        if (models_.writers[i].model)
            for_writer(options, asked[i].name, [&] {
                make_writer(i, options, asked[i], params);
                prepare(writers_[i].context.get(), models_.writers[i].adapters);
            });
    part(options);
}

}  // namespace overfill
