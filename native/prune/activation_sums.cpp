#include "activation_sums.h"

#include "failure.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace overfill {

static constexpr size_t signed_sums = (size_t) activation_mean::signed_values;
static constexpr size_t absolute_sums = (size_t) activation_mean::absolute_values;

[[noreturn]] static void refuse_values(activation what, uint32_t layer) {
    throw failure(error_code::inference_failed, std::string("the model's ") + activation_name(what) + " in layer " +
                                                    std::to_string(layer) + " has values that are not finite numbers");
}

static bool all_finite(const std::vector<double> & values) {
    return std::all_of(values.begin(), values.end(), [](double value) { return std::isfinite(value); });
}

// Some columns at a time, so that the sums stay in registers and the nearest cache, in arrays of their own, so that the
// compiler knows them apart and vectorises.
static void add_columns(const float * rows, size_t n_columns, size_t n_rows, double * sums, double * sums_of_absolute) {
    constexpr size_t n_at_once = 256;
    for (size_t at = 0; at < n_columns; at += n_at_once) {
        const size_t n = std::min(n_at_once, n_columns - at);
        double sum[n_at_once] = {}, absolute[n_at_once] = {};
        for (size_t row = 0; row < n_rows; row++) {
            const float * values = rows + row * n_columns + at;
            for (size_t i = 0; i < n; i++) {
                sum[i] += (double) values[i];
                absolute[i] += (double) std::fabs(values[i]);
            }
        }
        for (size_t i = 0; i < n; i++) {
            sums[at + i] += sum[i];
            sums_of_absolute[at + i] += absolute[i];
        }
    }
}

// Eight sums side by side: a single one could not be vectorised without another order of additions.
static double dot(const float * a, const float * b, size_t n) {
    constexpr size_t n_lanes = 8;
    double lanes[n_lanes] = {};
    size_t i = 0;
    for (; i + n_lanes <= n; i += n_lanes)
        for (size_t lane = 0; lane < n_lanes; lane++) lanes[lane] += (double) a[i + lane] * (double) b[i + lane];
    for (; i < n; i++) lanes[0] += (double) a[i] * (double) b[i];
    double sum = 0;
    for (const double lane : lanes) sum += lane;
    return sum;
}

activation_sums::activation_sums(importance & into, uint32_t window, uint32_t most_windows)
    : into_(into), window_(window), first_norm_(most_windows), all_norms_(most_windows) {
    const size_t n_embd = into.n_embd, n_layer = into.n_layer;
    for (size_t mean = 0; mean < n_activation_means; mean++) {
        into.hidden[mean].assign(n_embd, 0);
        into.hidden_layers[mean].assign(n_layer * n_embd, 0);
        into.ffn[mean].assign(n_layer * into.n_ff, 0);
    }
    into.heads.assign(n_layer * into.n_head, 0);
    into.influence.assign(n_layer, 0);
    for (means & sums : all_norms_)
        for (std::vector<double> & values : sums) values.assign(n_embd, 0);
    for (std::vector<means> & layers : carried_) layers.resize(n_layer);
}

void activation_sums::begin(uint32_t n_windows, part part) {
    n_windows_ = n_windows;
    part_ = part;
}

void activation_sums::check_size(activation what, uint32_t layer, size_t n_columns) const {
    const bool fits = what == activation::ffn     ? n_columns == into_.n_ff
                      : what == activation::heads ? n_columns % into_.n_head == 0
                                                  : n_columns == into_.n_embd;
    if (!fits)
        throw failure(error_code::prune_unsupported,
                      "layers of different widths: the " + std::string(activation_name(what)) + " of layer " +
                          std::to_string(layer) + " has " + std::to_string(n_columns) + " channels");
}

void activation_sums::add(activation what, uint32_t layer, const float * rows, size_t n_columns, size_t n_rows) {
    check_size(what, layer, n_columns);
    if (what == activation::residual) return add_residual(layer, rows, n_columns, n_rows);
    const size_t n_each = n_rows / n_windows_;
    for (uint32_t index = 0; index < n_windows_; index++) {
        means & sums = sums_of(what, layer, what == activation::heads ? into_.n_head : n_columns);
        add_rows(what, rows + index * n_each * n_columns, n_columns, n_each, sums);
        if (part_ == part::whole || part_ == part::last) end_window(what, layer, index, sums);
    }
}

activation_sums::means & activation_sums::sums_of(activation what, uint32_t layer, size_t n_sums) {
    means & sums = part_ == part::whole ? sums_ : carried_[(size_t) what][layer];
    if (part_ == part::whole || part_ == part::first)
        for (std::vector<double> & values : sums) values.assign(n_sums, 0);
    return sums;
}

void activation_sums::add_rows(activation what, const float * rows, size_t n_columns, size_t n_rows, means & sums) {
    if (what != activation::heads) {
        add_columns(rows, n_columns, n_rows, sums[signed_sums].data(), sums[absolute_sums].data());
        return;
    }
    // A head's output is told by its length, which has no sign.
    const size_t n_head = into_.n_head, head_size = n_columns / n_head;
    for (size_t row = 0; row < n_rows; row++)
        for (size_t head = 0; head < n_head; head++) {
            const float * values = rows + row * n_columns + head * head_size;
            sums[absolute_sums][head] += std::sqrt(dot(values, values, head_size));
        }
}

void activation_sums::end_window(activation what, uint32_t layer, uint32_t index, means & sums) {
    if (!all_finite(sums[absolute_sums])) refuse_values(what, layer);
    for (std::vector<double> & values : sums)
        for (double & value : values) value /= window_;
    if (what == activation::heads) {
        double * out = into_.heads.data() + (size_t) layer * into_.n_head;
        for (const double mean : sums[absolute_sums]) *out++ += mean * mean;
    } else if (what == activation::ffn) {
        for (size_t i = 0; i < n_activation_means; i++) {
            double * out = into_.ffn[i].data() + (size_t) layer * into_.n_ff;
            for (const double mean : sums[i]) *out++ += mean * mean;
        }
    } else {
        end_norm(what, layer, index, sums);
    }
}

// A layer's attention norm comes before its FFN norm.
void activation_sums::end_norm(activation what, uint32_t layer, uint32_t index, const means & mean) {
    if (what == activation::attention_norm) {
        first_norm_[index] = mean;
        return;
    }
    const bool is_last = layer + 1 == into_.n_layer;
    for (size_t i = 0; i < n_activation_means; i++) {
        std::vector<double> & all = all_norms_[index][i];
        for (size_t channel = 0; channel < all.size(); channel++) {
            const double both = std::fabs(first_norm_[index][i][channel]) + std::fabs(mean[i][channel]);
            into_.hidden_layers[i][(size_t) layer * into_.n_embd + channel] += both * both;
            all[channel] += both;
            if (!is_last) continue;
            into_.hidden[i][channel] += all[channel] * all[channel];
            all[channel] = 0;
        }
    }
}

void activation_sums::add_residual(uint32_t layer, const float * rows, size_t n_columns, size_t n_rows) {
    const float * before = entering_.data();
    for (size_t row = 0; layer > 0 && row < n_rows; row++, before += n_columns) {
        const float * after = rows + row * n_columns;
        const double length = std::sqrt(dot(before, before, n_columns)) * std::sqrt(dot(after, after, n_columns));
        if (!std::isfinite(length)) refuse_values(activation::residual, layer);
        // Nothing has no direction: it is as it was only if it was nothing before.
        const bool same = std::equal(before, before + n_columns, after);
        const double cosine = same ? 1 : length > 0 ? dot(before, after, n_columns) / length : 0;
        into_.influence[layer - 1] += std::max(0.0, 1 - cosine);
    }
    entering_.assign(rows, rows + n_rows * n_columns);
}

}  // namespace overfill
