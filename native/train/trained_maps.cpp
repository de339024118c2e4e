#include "trained_maps.h"

#include <memory>
#include <string>
#include <utility>

namespace overfill {

using map_list = std::vector<std::shared_ptr<const linear_map>>;

static const linear_map * map_at(const map_list & maps, size_t layer) {
    return layer < maps.size() ? maps[layer].get() : nullptr;
}

static bool is_common(const translator & how, size_t layer) {
    const linear_map * k = map_at(how.k, layer);
    return k && k == map_at(how.v, layer);
}

static std::string name_of(const translator & how, size_t layer, bool is_k) {
    return "translator.blk." + std::to_string(layer) + "." + (is_common(how, layer) ? "kv" : is_k ? "k" : "v");
}

std::vector<added_parameter> trained_maps::parameters_of(const translator & how) {
    std::vector<added_parameter> out;
    const auto add = [&](const linear_map * map, const std::string & name) {
        if (!map) return;
        out.push_back({ name + ".weight", map->n_in, map->n_out, &map->weight });
        if (!map->bias.empty()) out.push_back({ name + ".bias", map->n_out, 0, &map->bias });
    };
    for (size_t il = 0; il < how.k.size() || il < how.v.size(); il++) {
        add(map_at(how.k, il), name_of(how, il, true));
        if (!is_common(how, il)) add(map_at(how.v, il), name_of(how, il, false));
    }
    return out;
}

trained_maps::trained_maps(const translator & how, const parameter_set & parameters) : before_rope_(how.before_rope) {
    const auto find = [&](size_t il, bool is_k) {
        const std::string name = name_of(how, il, is_k);
        return map{ parameters.find(name + ".weight"), parameters.find(name + ".bias") };
    };
    for (size_t il = 0; il < how.k.size(); il++) k_.push_back(find(il, true));
    for (size_t il = 0; il < how.v.size(); il++) v_.push_back(find(il, false));
}

void trained_maps::put_values(translator & how) const {
    const auto values = [](const ggml_tensor * tensor) {
        std::vector<float> out(tensor ? (size_t) ggml_nelements(tensor) : 0);
        if (tensor) ggml_backend_tensor_get(tensor, out.data(), 0, out.size() * sizeof(float));
        return out;
    };
    const auto renewed = [&](const map & now) -> std::shared_ptr<const linear_map> {
        if (!now.weight) return nullptr;
        return std::make_shared<linear_map>(linear_map{ (uint32_t) now.weight->ne[0], (uint32_t) now.weight->ne[1],
                                                        values(now.weight), values(now.bias) });
    };
    for (size_t il = 0; il < k_.size() || il < v_.size(); il++) {
        const bool common = is_common(how, il);
        if (il < k_.size()) how.k[il] = renewed(k_[il]);
        if (il < v_.size()) how.v[il] = common ? how.k[il] : renewed(v_[il]);
    }
}

}  // namespace overfill
