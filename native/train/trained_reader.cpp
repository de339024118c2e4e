#include "trained_reader.h"

#include "failure.h"
#include "find_translator.h"
#include "model_traits.h"
#include "models.h"
#include "output_paths.h"
#include "pair_plan.h"

namespace overfill {

static translator handed_over(const std::string & reader_path, const std::string & writer_path,
                              const std::string & translator_path, const std::atomic<bool> & stop,
                              translator_file_info & file) {
    const auto go_on = [&](float) { return !stop; };
    const auto turn = wait_for_load_turn(go_on);
    // With their weights: some of those are factors of the position encoding.
    const auto load = [&](const std::string & path) {
        model_ptr model = load_model({ path, 0 }, load_depth::weights, go_on);
        const model_traits traits = traits_of(model.get());
        check_supported(traits, path);
        check_plain_kv(traits, path, "healing takes prompts from a KV cache");
        return model;
    };
    const model_ptr reader = load(reader_path), writer = load(writer_path);
    const model_traits from = traits_of(reader.get()), to = traits_of(writer.get());
    translator how = find_translator({ translator_path, {}, "" }, reader_path, from, writer_path, to, &file);
    cache_traits cache;
    cache.type_k = cache.type_v = GGML_TYPE_F32;
    cache.v_transposed = true;
    check_handover(plan_pair(from, llama_model_get_vocab(reader.get()), cache, to, llama_model_get_vocab(writer.get()),
                             cache, how));
    return how;
}

static bool has_map(const std::vector<std::shared_ptr<const linear_map>> & maps, size_t layer) {
    return layer < maps.size() && maps[layer];
}

reader_handover plan_reader_handover(const std::string & reader_path, const training_shape & reader,
                                     const std::string & writer_path, const training_shape & writer,
                                     const std::string & translator_path, const std::atomic<bool> & stop) {
    reader_handover out;
    translator_file_info file;
    // As for a pair of one model: what its metadata says of layers is about its own parent.
    if (!translator_path.empty() || !same_file(reader_path, writer_path)) {
        out.how = handed_over(reader_path, writer_path, translator_path, stop, file);
        out.weight_type = file.weight_type;
    }
    for (size_t il = 0; il < writer.layers.size(); il++) {
        reader_link link{ out.how.layers.empty() ? (uint32_t) il : (uint32_t) out.how.layers[il] };
        const bool mapped = has_map(out.how.k, il);
        link.before_rope = mapped && out.how.before_rope;
        if (!mapped && reader.layers.at(link.layer).rope != writer.layers[il].rope)
            throw failure(error_code::operation_unsupported,
                          "a reader cannot be trained through a handover that encodes positions anew, as layer " +
                              std::to_string(il) + " would need; a translator with linear maps can",
                          { { "operation", "train.reader" }, { "layer", il } });
        out.links.push_back(link);
    }
    return out;
}

}  // namespace overfill
