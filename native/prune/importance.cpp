#include "importance.h"

#include "failure.h"

#include <algorithm>
#include <functional>

namespace overfill {

static void add(std::vector<double> & into, const std::vector<double> & other) {
    std::transform(into.begin(), into.end(), other.begin(), into.begin(), std::plus<double>());
}

[[noreturn]] static void refuse(const std::string & what, const std::string & into, const std::string & other) {
    throw failure(error_code::importance_mismatch,
                  "the measurements were not made on one model: their " + what + " are " + into + " and " + other);
}

static std::string sizes_of(const importance & measured) {
    return std::to_string(measured.n_layer) + " layers, " + std::to_string(measured.n_embd) + " hidden channels, " +
           std::to_string(measured.n_ff) + " FFN channels, " + std::to_string(measured.n_head) + " heads";
}

void merge(importance & into, const importance & other) {
    if (into.architecture != other.architecture) refuse("architectures", into.architecture, other.architecture);
    if (sizes_of(into) != sizes_of(other)) refuse("sizes", sizes_of(into), sizes_of(other));
    if (into.fingerprint != other.fingerprint) refuse("fingerprints", into.fingerprint, other.fingerprint);

    if (!into.text_name.empty() && !other.text_name.empty()) into.text_name += ", ";
    into.text_name += other.text_name;
    into.window = std::max(into.window, other.window);
    into.n_samples += other.n_samples;
    into.n_tokens += other.n_tokens;
    into.n_scored += other.n_scored;
    into.loss_sum += other.loss_sum;
    for (size_t mean = 0; mean < n_activation_means; mean++) {
        add(into.hidden[mean], other.hidden[mean]);
        add(into.hidden_layers[mean], other.hidden_layers[mean]);
        add(into.ffn[mean], other.ffn[mean]);
    }
    add(into.heads, other.heads);
    add(into.influence, other.influence);
}

}  // namespace overfill
