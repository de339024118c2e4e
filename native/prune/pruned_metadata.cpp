#include "pruned_metadata.h"

#include "fingerprint.h"
#include "whole_number.h"

#include <gguf.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>

namespace overfill {

namespace {

bool begins_with(const std::string & text, const std::string & beginning) {
    return text.compare(0, beginning.size(), beginning) == 0;
}

void set_single(gguf_context * out, const char * key, const gguf_context * from, int64_t id) {
    switch (gguf_get_kv_type(from, id)) {
    case GGUF_TYPE_UINT8: return gguf_set_val_u8(out, key, gguf_get_val_u8(from, id));
    case GGUF_TYPE_INT8: return gguf_set_val_i8(out, key, gguf_get_val_i8(from, id));
    case GGUF_TYPE_UINT16: return gguf_set_val_u16(out, key, gguf_get_val_u16(from, id));
    case GGUF_TYPE_INT16: return gguf_set_val_i16(out, key, gguf_get_val_i16(from, id));
    case GGUF_TYPE_UINT32: return gguf_set_val_u32(out, key, gguf_get_val_u32(from, id));
    case GGUF_TYPE_INT32: return gguf_set_val_i32(out, key, gguf_get_val_i32(from, id));
    case GGUF_TYPE_UINT64: return gguf_set_val_u64(out, key, gguf_get_val_u64(from, id));
    case GGUF_TYPE_INT64: return gguf_set_val_i64(out, key, gguf_get_val_i64(from, id));
    case GGUF_TYPE_FLOAT32: return gguf_set_val_f32(out, key, gguf_get_val_f32(from, id));
    case GGUF_TYPE_FLOAT64: return gguf_set_val_f64(out, key, gguf_get_val_f64(from, id));
    case GGUF_TYPE_BOOL: return gguf_set_val_bool(out, key, gguf_get_val_bool(from, id));
    default: return gguf_set_val_str(out, key, gguf_get_val_str(from, id));
    }
}

size_t element_size(gguf_type type) {
    switch (type) {
    case GGUF_TYPE_UINT16:
    case GGUF_TYPE_INT16: return 2;
    case GGUF_TYPE_UINT32:
    case GGUF_TYPE_INT32:
    case GGUF_TYPE_FLOAT32: return 4;
    case GGUF_TYPE_UINT64:
    case GGUF_TYPE_INT64:
    case GGUF_TYPE_FLOAT64: return 8;
    default: return 1;
    }
}

// Some elements of an array; all of them if `chosen` is null.
void set_array(gguf_context * out, const char * key, const gguf_context * from, int64_t id,
               const std::vector<uint32_t> * chosen) {
    const gguf_type type = gguf_get_arr_type(from, id);
    const size_t n = chosen ? chosen->size() : gguf_get_arr_n(from, id);
    const auto index = [&](size_t i) { return chosen ? (size_t) (*chosen)[i] : i; };
    if (type == GGUF_TYPE_STRING) {
        std::vector<const char *> texts;
        for (size_t i = 0; i < n; i++) texts.push_back(gguf_get_arr_str(from, id, index(i)));
        return gguf_set_arr_str(out, key, texts.data(), n);
    }
    const size_t size = element_size(type);
    const char * data = static_cast<const char *>(gguf_get_arr_data(from, id));
    std::vector<char> values(n * size);
    for (size_t i = 0; i < n; i++) std::memcpy(&values[i * size], data + index(i) * size, size);
    gguf_set_arr_data(out, key, type, values.data(), n);
}

// "1.2B", as in general.size_label.
std::string size_label(uint64_t n_params) {
    const double n = (double) n_params;
    char text[32];
    if (n >= 1e9)
        std::snprintf(text, sizeof text, "%.1fB", n / 1e9);
    else if (n >= 1e6)
        std::snprintf(text, sizeof text, "%.0fM", n / 1e6);
    else
        std::snprintf(text, sizeof text, "%.0fK", n / 1e3);
    return text;
}

class metadata_writer {
  public:
    metadata_writer(const parent_model & parent, const cut_layout & layout, const kept_parts & kept,
                    const kept_counts & counts)
        : parent_(parent), layout_(layout), kept_(kept), counts_(counts), shape_(parent.shape()),
          layers_cut_(kept.layers.size() < shape_.n_layer), out_(gguf_init_empty()) {
        hidden_cut_ = kept.hidden.size() < shape_.n_embd;
        ffn_cut_ = kept.ffn[0].size() < shape_.n_ff;
        heads_cut_ = counts.n_head < shape_.n_head;
        kv_heads_cut_ = counts.n_head_kv < shape_.n_head_kv;
        padded_ = kept.hidden.size() < counts.n_embd || kept.ffn[0].size() < counts.n_ff;
        cut_ = hidden_cut_ || ffn_cut_ || heads_cut_ || kv_heads_cut_ || layers_cut_;
    }

    gguf_context_ptr write(const rewrite_options & options, const std::vector<bool> & sliding, uint64_t n_params) {
        copy_parent();
        set_sizes();
        set_layer_rules(sliding);
        set_general(options, n_params);
        set_family();
        // A pruned model that is only padded or converted is still its own parent's child.
        if (cut_ || (!padded_ && !parent_.is_pruned())) set_origin(options);
        if (padded_) {
            set("overfill.pad.version", 1u);
            set("overfill.pad.hidden", real_width("overfill.pad.hidden", (uint32_t) kept_.hidden.size()));
            set("overfill.pad.ffn", real_width("overfill.pad.ffn", (uint32_t) kept_.ffn[0].size()));
        }
        for (const auto & [key, text] : options.notes) gguf_set_val_str(out_.get(), key.c_str(), text.c_str());
        return std::move(out_);
    }

  private:
    std::string key(const std::string & name) const { return std::string(layout_.target->name) + "." + name; }
    void set(const std::string & name, uint32_t value) { gguf_set_val_u32(out_.get(), name.c_str(), value); }
    void set(const std::string & name, const std::vector<uint32_t> & values) {
        gguf_set_arr_data(out_.get(), name.c_str(), GGUF_TYPE_UINT32, values.data(), values.size());
    }
    void set_float(const std::string & name, float value) { gguf_set_val_f32(out_.get(), name.c_str(), value); }

    // Without the zeros that the parent may have been padded with itself.
    uint32_t real_width(const char * name, uint32_t n_kept) const {
        const auto real = whole_number(parent_.metadata().number(name).value_or(-1), 0, UINT32_MAX);
        return real && !cut_ ? (uint32_t) *real : n_kept;
    }

    void copy_parent() {
        const gguf_context * from = parent_.metadata().get();
        const std::string old_prefix = parent_.arch().name + std::string(".");
        for (int64_t i = 0; i < gguf_get_n_kv(from); i++) {
            std::string name = gguf_get_key(from, i);
            // The alignment is the default one, and a split is made anew. What the parent itself was pruned from is
            // another model than the one that is now the parent.
            if (begins_with(name, "split.") || name == "general.alignment") continue;
            if (cut_ && begins_with(name, "overfill.")) continue;
            const bool own = begins_with(name, old_prefix);
            if (own) name = key(name.substr(old_prefix.size()));
            if (gguf_get_kv_type(from, i) != GGUF_TYPE_ARRAY) {
                set_single(out_.get(), name.c_str(), from, i);
                continue;
            }
            const bool by_layer = own && layers_cut_ && gguf_get_arr_n(from, i) == shape_.n_layer;
            set_array(out_.get(), name.c_str(), from, i, by_layer ? &kept_.layers : nullptr);
        }
        gguf_set_val_str(out_.get(), "general.architecture", layout_.target->name);
    }

    void set_sizes() {
        set(key("embedding_length"), counts_.n_embd);
        set(key("feed_forward_length"), counts_.n_ff);
        set(key("block_count"), counts_.n_layer);
        set(key("attention.head_count"), counts_.n_head);
        set(key("attention.head_count_kv"), counts_.n_head_kv);
        // Their defaults are the width divided by the heads.
        set(key("attention.key_length"), shape_.head_size_k);
        set(key("attention.value_length"), shape_.head_size_v);
        const auto rotated = parent_.metadata().number(parent_.arch().name + std::string(".rope.dimension_count"));
        set(key("rope.dimension_count"), rotated ? (uint32_t) *rotated : shape_.head_size_k);
        if (layout_.eps_scale != 1)
            set_float(key("attention.layer_norm_rms_epsilon"), (float) (shape_.norm_eps * layout_.eps_scale));
    }

    // What llama.cpp derives from a layer's number or the sizes, where the file does not say it.
    void set_layer_rules(const std::vector<bool> & sliding) {
        if (layers_cut_ && std::find(sliding.begin(), sliding.end(), true) != sliding.end()) {
            std::vector<int8_t> pattern;
            for (const uint32_t layer : kept_.layers) pattern.push_back(sliding[layer] ? 1 : 0);
            gguf_set_arr_data(out_.get(), key("attention.sliding_window_pattern").c_str(), GGUF_TYPE_BOOL,
                              pattern.data(), pattern.size());
        }
        if (!parent_.arch().shaped_scales) return;
        const auto keep = [&](const char * name, float value) {
            if (gguf_find_key(out_.get(), key(name).c_str()) < 0) set_float(key(name), value);
        };
        keep("embedding_scale", 12.0f);
        keep("residual_scale", 1.4f / std::sqrt((float) shape_.n_layer));
        keep("logit_scale", 256.0f / (float) shape_.n_embd);
    }

    void set_general(const rewrite_options & options, uint64_t n_params) {
        const gguf_metadata & old = parent_.metadata();
        std::string name = options.name;
        if (name.empty()) {
            name = old.text("general.name").value_or(std::filesystem::u8path(parent_.path()).stem().u8string());
            if (cut_)
                name += " pruned";
            else if (padded_)
                name += " padded";
        }
        gguf_set_val_str(out_.get(), "general.name", name.c_str());
        if (options.type != "same" || old.has("general.file_type"))
            set("general.file_type", (uint32_t) layout_.file_type);
        if (old.has("general.size_label"))
            gguf_set_val_str(out_.get(), "general.size_label", size_label(n_params).c_str());
        if (old.has("general.parameter_count")) gguf_set_val_u64(out_.get(), "general.parameter_count", n_params);
        for (const tensor_cut & tensor : layout_.tensors)
            if (ggml_is_quantized(tensor.type)) return set("general.quantization_version", GGML_QNT_VERSION);
    }

    // The architecture whose cache this one's is, where it is now a carrier's: see model_traits.h.
    void set_family() {
        const auto family = parent_.metadata().text("overfill.parent.architecture");
        if (family || layout_.target != &parent_.arch())
            gguf_set_val_str(out_.get(), "overfill.parent.architecture", family.value_or(parent_.arch().name).c_str());
    }

    void set_origin(const rewrite_options & options) {
        gguf_set_val_str(out_.get(), "overfill.parent.fingerprint", model_fingerprint(parent_.path()).c_str());
        gguf_set_val_str(out_.get(), "overfill.parent.name",
                         parent_.metadata().text("general.name").value_or("").c_str());
        if (!cut_) return;
        set("overfill.prune.version", 1u);
        gguf_set_val_bool(out_.get(), "overfill.prune.compensated", options.compensate && hidden_cut_);
        if (hidden_cut_) set("overfill.prune.hidden", kept_.hidden);
        if (ffn_cut_) set("overfill.prune.ffn", flat(kept_.ffn));
        if (heads_cut_) set("overfill.prune.heads", flat(kept_.heads));
        if (kv_heads_cut_) set("overfill.prune.kv_heads", flat(kept_.kv_heads));
        if (!layers_cut_) return;
        set("overfill.prune.layers", kept_.layers);
        const std::vector<int32_t> map(kept_.layers.begin(), kept_.layers.end());
        gguf_set_arr_data(out_.get(), "overfill.layer_map", GGUF_TYPE_INT32, map.data(), map.size());
    }

    static std::vector<uint32_t> flat(const std::vector<std::vector<uint32_t>> & by_layer) {
        std::vector<uint32_t> out;
        for (const auto & layer : by_layer) out.insert(out.end(), layer.begin(), layer.end());
        return out;
    }

    const parent_model & parent_;
    const cut_layout & layout_;
    const kept_parts & kept_;
    const kept_counts & counts_;
    const model_shape & shape_;
    bool layers_cut_, hidden_cut_, ffn_cut_, heads_cut_, kv_heads_cut_, padded_, cut_;
    gguf_context_ptr out_;
};

}  // namespace

gguf_context_ptr pruned_metadata(const parent_model & parent, const cut_layout & layout, const kept_parts & kept,
                                 const kept_counts & counts, const rewrite_options & options,
                                 const std::vector<bool> & sliding, uint64_t n_params) {
    return metadata_writer(parent, layout, kept, counts).write(options, sliding, n_params);
}

}  // namespace overfill
