#include "options.h"

namespace overfill {

std::vector<writer_options> pair_options::writers() const {
    std::vector<writer_options> all = { { decode_name, decode, decode_adapters, decode_cache_type_k,
                                          decode_cache_type_v, decode_attention, translator_path, layers,
                                          layer_rule } };
    all.insert(all.end(), more_writers.begin(), more_writers.end());
    return all;
}

void pair_options::set_first_writer(const writer_options & writer) {
    decode_name = writer.name;
    decode = writer.model;
    decode_adapters = writer.adapters;
    decode_cache_type_k = writer.cache_type_k;
    decode_cache_type_v = writer.cache_type_v;
    decode_attention = writer.attention;
    translator_path = writer.translator_path;
    layers = writer.layers;
    layer_rule = writer.layer_rule;
}

bool pair_options::asks_for_two_caches(const writer_options & writer) const {
    return handover == handover_choice::translate || writer.cache_type_k.value_or(cache_type_k) != cache_type_k ||
           writer.cache_type_v.value_or(cache_type_v) != cache_type_v ||
           writer.attention.value_or(attention) != attention || !writer.translator_path.empty() ||
           !writer.layers.empty() || !writer.layer_rule.empty();
}

const char * finish_reason_name(finish_reason reason) {
    switch (reason) {
    case finish_reason::eos: return "eos";
    case finish_reason::stop: return "stop";
    case finish_reason::length: return "length";
    case finish_reason::abort: return "abort";
    case finish_reason::context: return "context";
    }
    return "abort";
}

const char * session_stage_name(session_stage stage) {
    switch (stage) {
    case session_stage::empty: return "empty";
    case session_stage::prefilled: return "prefilled";
    case session_stage::switched: return "switched";
    case session_stage::paused: return "paused";
    case session_stage::ended: return "ended";
    case session_stage::interrupted: return "interrupted";
    }
    return "empty";
}

}  // namespace overfill
