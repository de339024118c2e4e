// What a model keeps of the tokens that it has read: which kind of memory, and what each layer has in it.
//
// llama.cpp decides that by architecture (llama_model::create_memory). None of its decisions is repeated here: it is
// let make a memory of one token, and this describes what came of it.
#pragma once

#include <llama.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace overfill {

enum class memory_form {
    none,            // not a model that goes on from what it has read: an encoder, or one whose file is unsound
    attention,       // llama_kv_cache
    sliding,         // llama_kv_cache_iswa
    sparse,          // llama_kv_cache_dsa: K, and the keys by which an indexer chooses tokens (DSA)
    sparse_sliding,  // llama_kv_cache_dsa_iswa
    block_sparse,    // llama_kv_cache_msa: the same with K and V, blocks of tokens being chosen (MSA)
    compressed,      // llama_kv_cache_dsv4: several tokens become one row (DeepSeek 4)
    recurrent,       // llama_memory_recurrent: a state of fixed size for a sequence
    hybrid,          // llama_memory_hybrid: some layers have KV, others a state
    hybrid_sliding,  // llama_memory_hybrid_iswa
    hybrid_sparse,   // llama_memory_hybrid_idx
    unknown,         // a kind that this package has never heard of
};

enum class memory_part_kind {
    k,
    v,
    indexer_k,
    indexer_v,
    compressed_k,
    compressed_indexer_k,
    conv_state,
    recurrent_state,
    ple_state,
    compressor_state,
    compressor_score,
    indexer_compressor_state,
    indexer_compressor_score,
};

// In which type its values are stored.
enum class memory_part_type { cache_type_k, cache_type_v, f32 };

// One tensor of a layer's memory.
struct memory_part {
    memory_part_kind kind;
    memory_part_type type;
    uint32_t width;           // values of a row
    uint32_t tokens_per_row;  // 0: it does not grow with the tokens
    uint32_t n_rows;          // of one sequence, where it does not

    bool operator==(const memory_part & o) const;
};

struct layer_memory {
    uint32_t layer;  // may be one behind the model's layers, if a head that predicts further tokens got memory
    std::vector<memory_part> parts;
};

struct memory_traits {
    memory_form form = memory_form::none;
    bool latent = false;               // MLA: attention stores K alone, of which V is a part
    std::vector<layer_memory> layers;  // those that have memory, in their order
    // The layer whose K and V each of the model's layers uses: another one's where they are used again, -1 for none.
    std::vector<int32_t> kv_of_layer;
    // What a state is computed with: sizes whose products are the widths of its parts, with their names in llama.cpp's
    // metadata. Empty without one.
    std::vector<std::pair<const char *, uint32_t>> state_shape;
    uint32_t widest_v = 0;           // of all layers: V that is stored transposed is as wide in each
    float compressed_rope_base = 0;  // of the positions of compressed rows; 0: there are none

    // Such as "KV cache" or "recurrent state".
    std::string name() const;
    // K and V of single tokens, which can be converted from one model's cache to another's. Anything else is shared as
    // it is or not at all.
    bool can_be_translated() const;
    // Whether a sequence can be cut behind any token. A recurrent state stands for all tokens that went into it, and a
    // compressed row for several.
    bool can_be_cut() const;

    // nullptr: the layer has no such part.
    const memory_part * part(uint32_t layer, memory_part_kind kind) const;
};

// Why llama.cpp would fail an assertion as it makes this model's memory, as far as a sound file (model/model_file.h)
// can make it; empty if it would not.
std::string memory_defect(const llama_model * model);

// A head that drafts for another model, on that model's memory.
bool drafts_for_another(const llama_model * model);

// A model with a defect or that drafts for another, and one that keeps no memory by its architecture, has the form
// `none`.
memory_traits memory_traits_of(const llama_model * model);

}  // namespace overfill
