// Which states a memory can take: its layout, and whether a state is one of it.
#include "cache_tensors.h"
#include "context_memory.h"
#include "llama-kv-cache-iswa.h"
#include "llama-model.h"
#include "memory_parts.h"
#include "private_members.h"
#include "recurrent_io.h"
#include "sequence_state.h"

#include <algorithm>
#include <cstring>

namespace overfill {

bool can_save_sequences(const llama_context * ctx) { return parts_of(ctx).known; }

std::vector<value_run> value_runs_of(const llama_context * ctx, const sequence_state & state) {
    const memory_parts parts = parts_of(ctx);
    const llama_memory_i * memory = memory_of(ctx);
    std::vector<value_run> out;
    if (!dynamic_cast<const llama_kv_cache *>(memory) && !dynamic_cast<const llama_kv_cache_iswa *>(memory)) return out;
    for (size_t i = 0; i < state.caches.size(); i++)
        for (const cache_tensors & tensors : tensors_of(*parts.caches[i])) {
            if (!tensors.v) return {};
            for (const ggml_tensor * of : { tensors.k, tensors.v })
                out.push_back({ of->type, (uint64_t) of->ne[0] * state.caches[i].positions.size() });
        }
    return out;
}

static std::string type_of(const ggml_tensor * tensor) { return ggml_type_name(tensor->type); }

// By layer, neighbours that are alike together: "0-15 f16 64, 16 f16 128".
static std::string widths(const std::vector<cache_tensors> & layers, ggml_tensor * cache_tensors::*which) {
    std::string out;
    for (size_t begin = 0, end = 0; begin < layers.size(); begin = end) {
        const auto what = [&](size_t i) {
            const ggml_tensor * tensor = layers[i].*which;
            return tensor ? type_of(tensor) + " " + std::to_string(tensor->ne[0]) : std::string("none");
        };
        const std::string first = what(begin);
        while (end < layers.size() && what(end) == first && layers[end].layer == layers[begin].layer + (end - begin))
            end++;
        out += (out.empty() ? "" : ", ") + std::to_string(layers[begin].layer);
        if (end - begin > 1) out += "-" + std::to_string(layers[end - 1].layer);
        out += " " + first;
    }
    return out;
}

static std::string widths(const std::vector<ggml_tensor *> & layers) {
    std::string out;
    for (size_t layer = 0; layer < layers.size(); layer++)
        if (layers[layer])
            out += (out.empty() ? "" : ", ") + std::to_string(layer) + " " + type_of(layers[layer]) + " " +
                   std::to_string(layers[layer]->ne[0]);
    return out;
}

// Some models have two lists of RoPE factors and choose by the length of the context.
static bool has_long_factors(const llama_context * ctx) {
    const llama_model & model = ctx->get_model();
    const bool has_two = !model.layers.empty() && model.layers[0].rope_long != nullptr;
    return has_two && ctx->get_cparams().n_ctx_seq > model.hparams.n_ctx_orig_yarn;
}

state_layout state_layout_of(const llama_context * ctx, const std::vector<int32_t> & layer_map) {
    const memory_parts parts = parts_of(ctx);
    state_layout out;
    const auto add = [&](const std::string & name, const std::string & value) { out.emplace_back(name, value); };
    for (size_t i = 0; i < parts.caches.size(); i++) {
        const llama_kv_cache & cache = *parts.caches[i];
        const std::string of = parts.caches.size() > 1 ? " of cache " + std::to_string(i) : "";
        const std::vector<cache_tensors> layers = tensors_of(cache, layer_map);
        add("K" + of, widths(layers, &cache_tensors::k));
        add("V" + of, widths(layers, &cache_tensors::v));
        add("layout of V" + of, is_transposed(cache) ? "transposed" : "plain");
        add("rotation of K" + of, cache.*get(reach::cache_rot_k()) ? "Hadamard" : "none");
        add("rotation of V" + of, cache.*get(reach::cache_rot_v()) ? "Hadamard" : "none");
    }
    if (parts.state) {
        add("convolution state", widths(parts.state->r_l));
        add("recurrent state", widths(parts.state->s_l));
        add("embedding state", widths(parts.state->p_l));
    }
    add("RoPE factors", has_long_factors(ctx) ? "long" : "short");
    return out;
}

static std::string defect_of_cells(const llama_kv_cache & cache, const sequence_state::cells & cells, uint32_t n_tokens,
                                   int32_t n_vocab) {
    // A model whose layers are all sliding, or all full, has one cache without layers, and its cells all the same.
    if (cells.positions.size() != n_tokens) return "a cache holds other tokens than it is said to";
    if (n_tokens > cache.get_size()) return "there are more tokens than a cache has cells";
    std::vector<bool> seen(n_tokens, false);
    for (const llama_pos position : cells.positions) {
        if (position < 0 || (uint32_t) position >= n_tokens || seen[(size_t) position])
            return "a cell is at an impossible position";
        seen[(size_t) position] = true;
    }
    if (cells.tokens.size() != (cache.has_cell_ext() ? n_tokens : 0)) return "the cells' tokens are missing";
    for (const llama_token token : cells.tokens)
        if (token != LLAMA_TOKEN_NULL && (token < 0 || token >= n_vocab)) return "a cell's token is no token";
    return "";
}

static size_t values_of_state(const llama_memory_recurrent & state) {
    size_t n = 0;
    for (const auto * of_layers : { &state.r_l, &state.s_l, &state.p_l })
        for (const ggml_tensor * of : *of_layers)
            if (of) n += of->nb[1];
    return n;
}

// Types and widths, as llama.cpp writes them behind the heads of the cells, of which an empty sequence has none.
static std::vector<uint8_t> shape_of_state(const llama_memory_recurrent & state, llama_seq_id empty) {
    std::vector<uint8_t> about;
    state_writer counted(about, nullptr);
    state.state_write(counted, empty, LLAMA_STATE_SEQ_FLAGS_NONE);
    about.erase(about.begin(), about.begin() + sizeof(state_head::n_cells));
    return about;
}

std::string state_defect(const llama_context * ctx, llama_seq_id empty, const sequence_state & state, uint32_t n_tokens,
                         state_part part) {
    const memory_parts parts = parts_of(ctx);
    if (!parts.known) return "memories of this kind are not saved";
    const size_t n_caches = part == state_part::all ? parts.caches.size() : 0;
    if (state.caches.size() != n_caches) return "there are other caches than the memory has";
    const int32_t n_vocab = llama_vocab_n_tokens(llama_model_get_vocab(&ctx->get_model()));
    size_t n_values = 0;
    for (size_t i = 0; i < n_caches; i++) {
        const llama_kv_cache & cache = *parts.caches[i];
        const std::string defect = defect_of_cells(cache, state.caches[i], n_tokens, n_vocab);
        if (!defect.empty()) return defect;
        n_values += n_tokens * bytes_per_cell(cache);
    }
    if (parts.mirrors && n_caches > 1 && state.caches[n_caches - 1].positions != state.caches[n_caches - 2].positions)
        return "two caches that mirror each other do not";
    if (parts.state) {
        state_head head{};
        if (state.recurrent.size() < sizeof head) return "the recurrent state is missing";
        std::memcpy(&head, state.recurrent.data(), sizeof head);
        if (head.n_cells != 1 || head.n_sequences != 0 || head.position != (llama_pos) n_tokens - 1)
            return "the recurrent state is of another position";
        const std::vector<uint8_t> shape = shape_of_state(*parts.state, empty);
        if (!std::equal(shape.begin(), shape.end(), state.recurrent.begin() + sizeof head, state.recurrent.end()))
            return "the recurrent state is of another shape";
        n_values += values_of_state(*parts.state);
    } else if (!state.recurrent.empty()) {
        return "there is a recurrent state, which the memory has not";
    }
    return state.values.size() == n_values ? "" : "the values are more or fewer than the cells";
}

}  // namespace overfill
