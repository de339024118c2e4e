#include "memory_comparison.h"

namespace overfill {

namespace {

struct part_field {
    memory_part_kind kind;
    const char *name, *what;
};

// K and V are told by their heads; those of layers behind the model's own, which have no heads here, by their widths.
constexpr part_field part_fields[] = {
    { memory_part_kind::k, "widthK", "the widths of K" },
    { memory_part_kind::v, "widthV", "the widths of V" },
    { memory_part_kind::indexer_k, "indexerK", "the indexers' keys" },
    { memory_part_kind::indexer_v, "indexerV", "the indexers' values" },
    { memory_part_kind::compressed_k, "compressedK", "the compressed keys" },
    { memory_part_kind::compressed_indexer_k, "compressedIndexerK", "the indexers' compressed keys" },
    { memory_part_kind::conv_state, "convolutionState", "the states of convolutions" },
    { memory_part_kind::recurrent_state, "recurrentState", "the recurrent states" },
    { memory_part_kind::ple_state, "embeddingState", "the states of embeddings by layer" },
    { memory_part_kind::compressor_state, "compressorState", "the compressors' states" },
    { memory_part_kind::compressor_score, "compressorScores", "the compressors' scores" },
    { memory_part_kind::indexer_compressor_state, "indexerCompressorState", "the indexers' compressors' states" },
    { memory_part_kind::indexer_compressor_score, "indexerCompressorScores", "the indexers' compressors' scores" },
};

std::string text_of(const memory_part * part) {
    if (!part) return "none";
    const std::string width = std::to_string(part->width);
    if (part->tokens_per_row == 0) return part->n_rows > 1 ? std::to_string(part->n_rows) + " x " + width : width;
    return part->tokens_per_row > 1 ? width + " for " + std::to_string(part->tokens_per_row) + " tokens" : width;
}

}  // namespace

void compare_memories(plan_comparison & compare, const memory_traits & a, const memory_traits & b) {
    uint32_t n_layer = 0;
    for (const memory_traits * memory : { &a, &b })
        if (!memory->layers.empty()) n_layer = std::max(n_layer, memory->layers.back().layer + 1);
    const bool heads_differ = compare.named("headsKv") || compare.named("headSizeK") || compare.named("headSizeV");
    for (const part_field & field : part_fields) {
        const bool by_heads = field.kind == memory_part_kind::k || field.kind == memory_part_kind::v;
        if (by_heads && heads_differ) continue;
        for (uint32_t il = 0; il < n_layer; il++) {
            const memory_part *in_a = a.part(il, field.kind), *in_b = b.part(il, field.kind);
            if ((!in_a && !in_b) || (in_a && in_b && *in_a == *in_b)) continue;
            compare.field(field.name, text_of(in_a), text_of(in_b), false,
                          std::string(field.what) + " differ in layer " + std::to_string(il));
            break;
        }
    }
    for (size_t i = 0; i < a.state_shape.size() && i < b.state_shape.size(); i++) {
        const auto & [name, in_a] = a.state_shape[i];
        if (in_a == b.state_shape[i].second) continue;
        compare.field("stateShape", in_a, b.state_shape[i].second, false,
                      std::string("the states are computed with another ") + name);
        break;
    }
    compare.field("compressedRopeBase", a.compressed_rope_base, b.compressed_rope_base, false,
                  "the RoPE bases of compressed rows differ");
}

}  // namespace overfill
