#include "pair_identity.h"

#include "fingerprint.h"
#include "input_file.h"
#include "kept_bytes.h"
#include "whole_number.h"
#include "xxh3.h"

namespace overfill {

static std::string hash_of_file(const std::string & path) {
    check_input_file(path, data_codes);
    const auto file = std::make_shared<const file_reader>(path);
    const kept_bytes bytes(file, 0, (size_t) file->size());
    xxh3 hash;
    byte_pieces(bytes).take(bytes.size(), [&](const uint8_t * from, size_t n, size_t) { hash.add(from, n); });
    return digits_of(hash.value());
}

static std::string adapters_of(const std::vector<adapter_options> & adapters) {
    std::string out;
    for (const adapter_options & one : adapters)
        out += (out.empty() ? "" : ", ") + hash_of_file(one.path) + " * " + number_text(one.scale);
    return out.empty() ? "none" : out;
}

static void add_model(side_identity & out, const std::string & path, const std::vector<adapter_options> & adapters) {
    out.facts.emplace_back("model", model_fingerprint(path));
    out.facts.emplace_back("weights", weights_fingerprint(path));
    out.facts.emplace_back("adapters", adapters_of(adapters));
}

static std::string handover_of(const pair_plan & plan) {
    std::string out = handover_kind_name(plan.kind);
    for (size_t i = 0; i < plan.layer_map.size(); i++)
        out += (i == 0 ? " by layers " : ",") + std::to_string(plan.layer_map[i]);
    return out;
}

side_identity identify_prefill(const pair_options & options) {
    side_identity out;
    out.name = "prefill";
    add_model(out, options.prefill.path, options.prefill_adapters);
    if (!options.reader_elsewhere.empty()) out.facts.emplace_back("read elsewhere by", options.reader_elsewhere);
    return out;
}

std::vector<side_identity> identify(const pair_options & options, const pair_info & info) {
    std::vector<side_identity> out = { identify_prefill(options) };
    const std::vector<writer_options> writers = options.writers();
    for (size_t i = 0; i < writers.size(); i++) {
        side_identity writer;
        writer.name = writers[i].name;
        if (writers[i].model.path.empty())
            writer.facts = out[0].facts;
        else
            add_model(writer, writers[i].model.path, writers[i].adapters);
        writer.facts.emplace_back("handover", handover_of(info.writers[i].plan));
        if (!writers[i].translator_path.empty())
            writer.facts.emplace_back("translator", hash_of_file(writers[i].translator_path));
        out.push_back(std::move(writer));
    }
    return out;
}

}  // namespace overfill
