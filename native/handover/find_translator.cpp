#include "find_translator.h"

#include "failure.h"
#include "fingerprint.h"
#include "gguf_metadata.h"
#include "whole_number.h"

#include <filesystem>

namespace overfill {

static failure bad_layers(const std::string & why) {
    return failure(error_code::invalid_argument, "the layer map " + why, { { "parameter", "translator.layers" } });
}

static void check_layers(const std::vector<int32_t> & layers, const model_traits & prefill,
                         const model_traits & decode) {
    if (layers.size() != decode.n_layer)
        throw bad_layers("has " + std::to_string(layers.size()) + " layers, but the decode model has " +
                         std::to_string(decode.n_layer));
    for (const int32_t layer : layers)
        if (layer < 0 || (uint32_t) layer >= prefill.n_layer)
            throw bad_layers("names layer " + std::to_string(layer) + ", but the prefill model has " +
                             std::to_string(prefill.n_layer) + " layers");
}

static translator load_translator(const std::string & path, const std::string & prefill_path,
                                  const model_traits & prefill, const std::string & decode_path,
                                  const model_traits & decode, translator_file_info * info) {
    translator out = read_translator(path, info);
    check_translator(out, prefill, out.source_fingerprint.empty() ? "" : model_fingerprint(prefill_path), decode,
                     out.target_fingerprint.empty() ? "" : model_fingerprint(decode_path));
    return out;
}

static failure broken_metadata(const std::string & path, const std::string & why) {
    return failure(error_code::model_invalid, path + " has " + why, { { "path", path } });
}

// A model comes from anywhere, and must not make this process read files of other folders.
static bool is_plain_name(const std::string & name) {
    return !name.empty() && name != "." && name != ".." && name.find_first_of("/\\:") == std::string::npos;
}

std::string translator_named_by(const std::string & decode_path) {
    const auto name = gguf_metadata(decode_path).text("overfill.translator");
    if (!name) return "";
    if (!is_plain_name(*name))
        throw broken_metadata(decode_path, "overfill.translator = " + *name +
                                               ", which is not the plain name of a file in the same folder");
    return (std::filesystem::u8path(decode_path).parent_path() / std::filesystem::u8path(*name)).u8string();
}

// What the pruner wrote down: the parent's layers that stayed.
static std::vector<int32_t> layers_named_by(const std::string & decode_path) {
    std::vector<int32_t> layers;
    for (const double value : gguf_metadata(decode_path).numbers("overfill.layer_map")) {
        const auto layer = whole_number(value, 0, INT32_MAX);
        if (!layer)
            throw broken_metadata(decode_path, number_text(value) + " in overfill.layer_map, which is not a layer");
        layers.push_back((int32_t) *layer);
    }
    return layers;
}

translator find_translator(const translator_choice & choice, const std::string & prefill_path,
                           const model_traits & prefill, const std::string & decode_path, const model_traits & decode,
                           translator_file_info * info) {
    const auto load = [&](const std::string & path) {
        return load_translator(path, prefill_path, prefill, decode_path, decode, info);
    };
    if (!choice.path.empty()) return load(choice.path);

    translator out;
    if (!choice.layer_rule.empty()) {
        if (decode.n_layer > prefill.n_layer)
            throw bad_layers("\"" + choice.layer_rule +
                             "\" needs a decode model with no more layers than the prefill model");
        out.layers = named_layer_map(choice.layer_rule, prefill.n_layer, decode.n_layer);
    } else if (!choice.layers.empty()) {
        out.layers = choice.layers;
    } else {
        if (const std::string file = translator_named_by(decode_path); !file.empty()) return load(file);
        out.layers = layers_named_by(decode_path);
        // A pruned model may also meet another model than its parent.
        if (out.layers.size() != decode.n_layer) return {};
    }
    if (!out.layers.empty()) check_layers(out.layers, prefill, decode);
    return out;
}

}  // namespace overfill
