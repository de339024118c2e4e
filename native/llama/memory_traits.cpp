#include "memory_traits.h"

#include "cache_tensors.h"
#include "llama-cparams.h"
#include "llama-kv-cache-dsa-iswa.h"
#include "llama-kv-cache-dsa.h"
#include "llama-kv-cache-dsv4.h"
#include "llama-kv-cache-iswa.h"
#include "llama-kv-cache-msa.h"
#include "llama-kv-cache.h"
#include "llama-memory-hybrid-idx.h"
#include "llama-memory-hybrid-iswa.h"
#include "llama-memory-hybrid.h"
#include "llama-memory-recurrent.h"
#include "llama-model.h"
#include "log_silence.h"

#include <ggml-backend.h>
#include <ggml-cpp.h>

#include <algorithm>
#include <map>
#include <memory>
#include <stdexcept>

namespace overfill {

bool memory_part::operator==(const memory_part & o) const {
    return kind == o.kind && type == o.type && width == o.width && tokens_per_row == o.tokens_per_row &&
           n_rows == o.n_rows;
}

std::string memory_traits::name() const {
    const std::string attention = latent ? "latent KV cache" : "KV cache";
    switch (form) {
    case memory_form::none: return "none";
    case memory_form::attention: return latent ? "latent KV cache (MLA)" : "KV cache";
    case memory_form::sliding: return "sliding-window " + attention;
    case memory_form::sparse: return "sparse-attention cache (DSA)";
    case memory_form::sparse_sliding: return "sparse-attention cache with a sliding window (DSA)";
    case memory_form::block_sparse: return "sparse-attention cache (MSA)";
    case memory_form::compressed: return "compressed cache (DeepSeek 4)";
    case memory_form::recurrent: return "recurrent state";
    case memory_form::hybrid: return "hybrid (" + attention + " and recurrent state)";
    case memory_form::hybrid_sliding: return "hybrid (sliding-window " + attention + " and recurrent state)";
    case memory_form::hybrid_sparse: return "hybrid (sparse-attention cache and recurrent state)";
    case memory_form::unknown: break;
    }
    return "memory of an unknown kind";
}

bool memory_traits::can_be_translated() const {
    return !latent && (form == memory_form::attention || form == memory_form::sliding);
}

bool memory_traits::can_be_cut() const {
    switch (form) {
    case memory_form::attention:
    case memory_form::sliding:
    case memory_form::sparse:
    case memory_form::sparse_sliding:
    case memory_form::block_sparse: return true;
    default: return false;
    }
}

const memory_part * memory_traits::part(uint32_t layer, memory_part_kind kind) const {
    for (const layer_memory & one : layers) {
        if (one.layer != layer) continue;
        for (const memory_part & part : one.parts)
            if (part.kind == kind) return &part;
    }
    return nullptr;
}

// --- what llama.cpp asserts ---

std::string memory_defect(const llama_model * model) {
    const llama_hparams & hparams = model->hparams;
    const bool slides = hparams.swa_type != LLAMA_SWA_TYPE_NONE;
    bool used = false;
    for (uint32_t il = 0; il < hparams.n_layer(); il++) used = used || hparams.is_swa(il);
    if (slides && !used) return "a sliding window but no layer that uses it";
    if (!slides && hparams.is_swa_any()) return "layers that use a sliding window but no such window";
    switch (model->arch) {
    case LLM_ARCH_DEEPSEEK4:
    case LLM_ARCH_DOTS3NOTE: return slides ? "" : "no sliding window";
    case LLM_ARCH_HY_V4:
        return hparams.indexer_top_k > 0 && hparams.n_layer_nextn > 0
                   ? "layers that predict further tokens, which have no indexer"
                   : "";
    default: return "";
    }
}

bool drafts_for_another(const llama_model * model) {
    switch (model->arch) {
    case LLM_ARCH_EAGLE3:
    case LLM_ARCH_DFLASH:
    case LLM_ARCH_GEMMA4_ASSISTANT: return true;
    default: return false;
    }
}

// --- what came of it ---

namespace {

using kind = memory_part_kind;

std::unique_ptr<llama_memory_i> make_smallest_memory(const llama_model * model) {
    llama_memory_params params = {};
    params.type_k = params.type_v = GGML_TYPE_F16;
    params.swa_full = true;
    params.ctx_type = LLAMA_CONTEXT_TYPE_DEFAULT;
    llama_cparams cparams = {};
    cparams.n_ctx = cparams.n_ctx_seq = cparams.n_batch = cparams.n_ubatch = cparams.n_seq_max = 1;
    cparams.ctx_type = LLAMA_CONTEXT_TYPE_DEFAULT;
    cparams.flash_attn = true;
    cparams.offload_kqv = false;  // in the CPU's memory, whatever devices there are
    const log_silence silence;
    return std::unique_ptr<llama_memory_i>(model->create_memory(params, cparams));
}

class reading {
  public:
    explicit reading(const llama_model * model) : hparams_(model->hparams), n_layer_(hparams_.n_layer()) {
        out_.kv_of_layer.assign(n_layer_, -1);
    }

    memory_traits take(const llama_memory_i * memory) {
        if (!memory) return {};
        if (const auto * one = dynamic_cast<const llama_kv_cache *>(memory)) {
            out_.form = memory_form::attention;
            add_attention(*one);
        } else if (const auto * two = dynamic_cast<const llama_kv_cache_iswa *>(memory)) {
            out_.form = memory_form::sliding;
            add_attention(*two);
        } else if (const auto * sparse = dynamic_cast<const llama_kv_cache_dsa *>(memory)) {
            out_.form = memory_form::sparse;
            add_sparse(*sparse);
        } else if (const auto * windows = dynamic_cast<const llama_kv_cache_dsa_iswa *>(memory)) {
            out_.form = memory_form::sparse_sliding;
            add_sparse(*windows->get_dsa());
            add_attention(*windows->get_swa());
        } else if (const auto * blocks = dynamic_cast<const llama_kv_cache_msa *>(memory)) {
            out_.form = memory_form::block_sparse;
            add_attention(*blocks->get_base());
            add_cache(*blocks->get_idx(), kind::indexer_k, kind::indexer_v);
        } else if (const auto * compressed = dynamic_cast<const llama_kv_cache_dsv4 *>(memory)) {
            out_.form = memory_form::compressed;
            add_compressed(*compressed);
        } else if (const auto * state = dynamic_cast<const llama_memory_recurrent *>(memory)) {
            out_.form = memory_form::recurrent;
            add_state(*state);
        } else if (const auto * both = dynamic_cast<const llama_memory_hybrid *>(memory)) {
            add_hybrid(*both);
        } else if (const auto * three = dynamic_cast<const llama_memory_hybrid_iswa *>(memory)) {
            out_.form = memory_form::hybrid_sliding;
            add_attention(*three->get_mem_attn());
            add_state(*three->get_mem_recr());
        } else {
            out_.form = memory_form::unknown;
        }
        return finish();
    }

  private:
    std::vector<memory_part> & parts_of(uint32_t layer) { return parts_[layer]; }

    void add_cache(const llama_kv_cache & cache, kind k, kind v, uint32_t tokens_per_row = 1) {
        const std::vector<uint32_t> layers = cache.get_layer_ids();
        bool with_v = false;
        for (const cache_tensors & tensors : tensors_of(cache)) {
            with_v = tensors.v != nullptr;
            parts_of(tensors.layer)
                .push_back({ k, memory_part_type::cache_type_k, (uint32_t) tensors.k->ne[0], tokens_per_row, 0 });
            if (with_v)
                parts_of(tensors.layer)
                    .push_back({ v, memory_part_type::cache_type_v, (uint32_t) tensors.v->ne[0], tokens_per_row, 0 });
        }
        if (layers.empty()) return;
        if (k == kind::k) add_reuse(cache, layers);
        if (k == kind::k && !with_v) out_.latent = true;
    }

    // A layer without K and V of its own that has another one's.
    void add_reuse(const llama_kv_cache & cache, const std::vector<uint32_t> & layers) {
        for (uint32_t il = 0; il < n_layer_; il++) {
            if (std::find(layers.begin(), layers.end(), il) != layers.end()) {
                out_.kv_of_layer[il] = (int32_t) il;
                continue;
            }
            if (out_.kv_of_layer[il] >= 0) continue;
            try {
                const ggml_tensor * k = cache.get_k_storage((int32_t) il);
                for (const uint32_t owner : layers)
                    if (cache.get_k_storage((int32_t) owner) == k) out_.kv_of_layer[il] = (int32_t) owner;
            } catch (const std::out_of_range &) {
                // Not a layer of this cache.
            }
        }
    }

    void add_attention(const llama_kv_cache & cache) { add_cache(cache, kind::k, kind::v); }

    void add_attention(const llama_kv_cache_iswa & caches) {
        add_attention(*caches.get_base());
        add_attention(*caches.get_swa());
    }

    void add_sparse(const llama_kv_cache_dsa & caches) {
        add_attention(*caches.get_mla());
        add_cache(*caches.get_lid(), kind::indexer_k, kind::indexer_v);
    }

    void add_compressed(const llama_kv_cache_dsv4 & caches) {
        add_attention(*caches.get_raw());
        const auto csa = caches.get_csa_state(), hca = caches.get_hca_state(), lid = caches.get_lid_state();
        const auto none = kind::v;  // these store keys only
        add_cache(*caches.get_csa(), kind::compressed_k, none, csa->get_ratio());
        add_cache(*caches.get_hca(), kind::compressed_k, none, hca->get_ratio());
        add_cache(*caches.get_lid(), kind::compressed_indexer_k, none, lid->get_ratio());
        add_compressor(*csa, *caches.get_csa(), kind::compressor_state, kind::compressor_score);
        add_compressor(*hca, *caches.get_hca(), kind::compressor_state, kind::compressor_score);
        add_compressor(*lid, *caches.get_lid(), kind::indexer_compressor_state, kind::indexer_compressor_score);
    }

    // Tokens that are on their way into a compressed row; in the same layers as the rows.
    void add_compressor(const llama_dsv4_comp_state & state, const llama_kv_cache & rows, kind values, kind scores) {
        const ggml_context_ptr scratch{ ggml_init({ 4 * ggml_tensor_overhead(), nullptr, /*no_alloc*/ true }) };
        for (const uint32_t layer : rows.get_layer_ids()) {
            ggml_reset(scratch.get());
            const ggml_tensor * kv = state.get_kv_all(scratch.get(), (int32_t) layer);
            for (const kind each : { values, scores })
                parts_of(layer).push_back(
                    { each, memory_part_type::f32, (uint32_t) kv->ne[0], 0, state.get_state_size() });
        }
    }

    void add_state(const llama_memory_recurrent & memory) {
        const auto add = [&](const std::vector<ggml_tensor *> & of_layers, kind what) {
            for (size_t layer = 0; layer < of_layers.size(); layer++)
                if (of_layers[layer] && of_layers[layer]->ne[0] > 0)
                    parts_of((uint32_t) layer)
                        .push_back({ what, memory_part_type::f32, (uint32_t) of_layers[layer]->ne[0], 0, 1 });
        };
        has_state_ = true;
        add(memory.r_l, kind::conv_state);
        add(memory.s_l, kind::recurrent_state);
        add(memory.p_l, kind::ple_state);
    }

    void add_hybrid(const llama_memory_hybrid & memory) {
        out_.form = memory_form::hybrid;
        add_attention(*memory.get_mem_attn());
        add_state(*memory.get_mem_recr());
        const auto * sparse = dynamic_cast<const llama_memory_hybrid_idx *>(&memory);
        if (!sparse || !sparse->get_mem_idx()) return;
        out_.form = memory_form::hybrid_sparse;
        add_cache(*sparse->get_mem_idx(), kind::indexer_k, kind::indexer_v);
    }

    memory_traits finish() {
        for (auto & [layer, parts] : parts_) out_.layers.push_back({ layer, std::move(parts) });
        const llama_hparams & h = hparams_;
        out_.widest_v = h.n_embd_v_gqa_max();
        if (has_state_)
            out_.state_shape = {
                { "ssm.conv_kernel", h.ssm_d_conv },
                { "ssm.inner_size", h.ssm_d_inner },
                { "ssm.state_size", h.ssm_d_state },
                { "ssm.time_step_rank", h.ssm_dt_rank },
                { "ssm.group_count", h.ssm_n_group },
                { "wkv.head_size", h.wkv_head_size },
                { "token_shift_count", h.token_shift_count },
                { "kda.head_dim", h.n_embd_head_kda },
                { "linear attention's head size", h.n_embd_head_la },
                { "shortconv.l_cache", h.n_shortconv_l_cache },
                { "heads", h.n_layer() ? h.n_head() : 0 },
            };
        if (out_.form == memory_form::compressed) out_.compressed_rope_base = h.dsv4_compress_rope_base;
        return std::move(out_);
    }

    const llama_hparams & hparams_;
    uint32_t n_layer_;
    bool has_state_ = false;
    memory_traits out_;
    std::map<uint32_t, std::vector<memory_part>> parts_;
};

}  // namespace

memory_traits memory_traits_of(const llama_model * model) {
    if (drafts_for_another(model) || !memory_defect(model).empty()) return {};
    return reading(model).take(make_smallest_memory(model).get());
}

}  // namespace overfill
