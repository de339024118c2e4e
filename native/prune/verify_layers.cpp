#include "verify_layers.h"

#include <sstream>

namespace overfill {

namespace {

class comparison {
  public:
    template <class T> void field(const std::string & what, const T & before, const T & after) {
        if (!found_.empty() || before == after) return;
        std::ostringstream out;
        out << what << " would be " << after << ", not " << before;
        found_ = out.str();
    }

    void flag(const std::string & what, bool same) {
        if (found_.empty() && !same) found_ = what + " would change";
    }

    const std::string & found() const { return found_; }

  private:
    std::string found_;
};

}  // namespace

std::string layer_difference(const model_traits & parent, const model_traits & pruned, const kept_parts & kept,
                             const kept_counts & counts) {
    comparison compare;
    compare.field("the width", counts.n_embd, pruned.n_embd);
    compare.field("the FFN width", counts.n_ff, pruned.n_ff);
    compare.field("the number of heads", counts.n_head, pruned.n_head);
    compare.field("the number of layers", counts.n_layer, pruned.n_layer);
    compare.field("the vocabulary", parent.n_vocab, pruned.n_vocab);
    if (!compare.found().empty()) return compare.found();

    for (size_t i = 0; i < kept.layers.size(); i++) {
        const layer_traits & before = parent.layers[kept.layers[i]];
        const layer_traits & after = pruned.layers[i];
        const auto of = [&](const char * what) {
            return std::string(what) + " of layer " + std::to_string(i) + " (the parent's " +
                   std::to_string(kept.layers[i]) + ")";
        };
        compare.field(of("the number of KV heads"), counts.n_head_kv, after.n_head_kv);
        compare.field(of("the head size of K"), before.head_size_k, after.head_size_k);
        compare.field(of("the head size of V"), before.head_size_v, after.head_size_v);
        compare.field(of("the sliding window"), before.sliding, after.sliding);
        compare.field(of("RoPE"), before.rope, after.rope);
        compare.field(of("the rotated dimensions"), before.n_rot, after.n_rot);
        compare.field(of("the RoPE base"), before.rope_base, after.rope_base);
        compare.field(of("the RoPE scale"), before.rope_scale, after.rope_scale);
    }
    compare.field("the sliding window", parent.sliding_window, pruned.sliding_window);
    compare.field("the RoPE layout", parent.rope_type, pruned.rope_type);
    compare.field("the RoPE scaling", parent.rope_scaling_type, pruned.rope_scaling_type);
    compare.field("the original context of the RoPE scaling", parent.rope_original_context,
                  pruned.rope_original_context);
    compare.field("the RoPE attention factor", parent.rope_attention_factor, pruned.rope_attention_factor);
    compare.flag("the YaRN parameters", parent.yarn_ext_factor == pruned.yarn_ext_factor &&
                                            parent.yarn_attn_factor == pruned.yarn_attn_factor &&
                                            parent.yarn_beta_fast == pruned.yarn_beta_fast &&
                                            parent.yarn_beta_slow == pruned.yarn_beta_slow);
    compare.flag("the RoPE sections", parent.rope_sections == pruned.rope_sections);
    compare.field("the number of RoPE factors", parent.rope_factors.size(), pruned.rope_factors.size());
    return compare.found();
}

}  // namespace overfill
