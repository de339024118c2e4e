// Whether a translator fits two models (translator_file.h).
#include "failure.h"
#include "translator_file.h"

namespace overfill {

namespace {

// As many differences as a message can hold; the first ones say enough.
constexpr size_t max_told = 8;

class comparison {
  public:
    void differ(const std::string & field, const std::string & translator, const std::string & model) {
        if (++n_ > max_told) return;
        details_.push_back({ field, translator + " | " + model });
        message_ += (message_.empty() ? "" : "; ") + field + " is " + translator + ", expected " + model;
    }
    void conclude() const {
        if (n_ == 0) return;
        const std::string more = n_ > max_told ? "; and " + std::to_string(n_ - max_told) + " more" : "";
        throw failure(error_code::translator_mismatch, "the translator was not made for this pair: " + message_ + more,
                      details_);
    }

  private:
    size_t n_ = 0;
    std::string message_;
    error_details details_;
};

struct kv_width {
    uint32_t n_head, head_size;
    uint32_t n() const { return n_head * head_size; }
    bool operator==(const kv_width & o) const { return n_head == o.n_head && head_size == o.head_size; }
};

kv_width width_of(const layer_traits & layer, bool is_k) {
    return { layer.n_head_kv, is_k ? layer.head_size_k : layer.head_size_v };
}

void compare_map(comparison & out, const linear_map * map, kv_width source, kv_width target, const std::string & name) {
    const auto shape = [](uint32_t n_in, uint32_t n_out) {
        return std::to_string(n_in) + " to " + std::to_string(n_out);
    };
    if (!map) {
        if (!(source == target)) out.differ(name, "absent", "a map from " + shape(source.n(), target.n()));
    } else if (map->n_in != source.n() || map->n_out != target.n()) {
        out.differ(name, "a map from " + shape(map->n_in, map->n_out), shape(source.n(), target.n()));
    }
}

}  // namespace

void check_translator(const translator & translator, const model_traits & source,
                      const std::string & source_fingerprint, const model_traits & target,
                      const std::string & target_fingerprint) {
    comparison out;
    const auto compare_fingerprint = [&](const char * field, const std::string & made_for, const std::string & name,
                                         const std::string & actual) {
        if (made_for.empty() || made_for == actual) return;
        out.differ(field, made_for + (name.empty() ? "" : " (" + name + ")"), actual);
    };
    compare_fingerprint("sourceFingerprint", translator.source_fingerprint, translator.source_name, source_fingerprint);
    compare_fingerprint("targetFingerprint", translator.target_fingerprint, translator.target_name, target_fingerprint);

    const size_t n_target = target.layers.size(), n_source = source.layers.size();
    const auto compare_count = [&](const char * field, size_t n) {
        if (n != 0 && n != n_target) out.differ(field, std::to_string(n), std::to_string(n_target));
        return n == 0 || n == n_target;
    };
    const bool fits = compare_count("layers", translator.layers.size()) &
                      compare_count("layersK", translator.k.size()) & compare_count("layersV", translator.v.size());
    for (size_t i = 0; fits && i < n_target; i++) {
        const std::string name = "layer " + std::to_string(i);
        const int64_t from = translator.layers.empty() ? (int64_t) i : translator.layers[i];
        if (from < 0 || from >= (int64_t) n_source) {
            out.differ(name, "from layer " + std::to_string(from), "0 to " + std::to_string((int64_t) n_source - 1));
            continue;
        }
        const layer_traits & a = source.layers[(size_t) from];
        const layer_traits & b = target.layers[i];
        if (!translator.has_maps() || b.n_head_kv == 0) continue;
        const auto map = [&](const auto & maps) { return maps.empty() ? nullptr : maps[i].get(); };
        compare_map(out, map(translator.k), width_of(a, true), width_of(b, true), name + " K");
        compare_map(out, map(translator.v), width_of(a, false), width_of(b, false), name + " V");
    }
    out.conclude();
}

}  // namespace overfill
