#include "selection.h"

#include "failure.h"
#include "parent_model.h"
#include "random_scores.h"
#include "translator.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace overfill {

namespace {

bool asks(const size_wish & wish) {
    return wish.kind == size_wish::kind::count || (wish.kind == size_wish::kind::ratio && wish.value != 0);
}

std::vector<uint32_t> all_of(uint32_t n) {
    std::vector<uint32_t> indices(n);
    std::iota(indices.begin(), indices.end(), 0u);
    return indices;
}

// Divides by the mean, so that no layer outvotes the others by the size of its activations.
void add_normalised(std::vector<double> & sum, const std::vector<double> & scores) {
    const double mean = std::accumulate(scores.begin(), scores.end(), 0.0) / (double) scores.size();
    if (mean == 0) return;  // nothing reaches this layer: it has no vote
    for (size_t i = 0; i < sum.size(); i++) sum[i] += scores[i] / mean;
}

class selecting {
  public:
    selecting(const prune_request & request, const kept_counts & counts, const model_shape & shape,
              const importance * measured)
        : request_(request), counts_(counts), shape_(shape), measured_(measured) {
        if (measured_) check_shape();
    }

    kept_parts run() {
        kept_parts kept;
        kept.layers = layers();
        kept.hidden = all_of(shape_.n_embd);
        if (counts_.n_embd < shape_.n_embd) kept.hidden = best(hidden_scores(kept.layers), counts_.n_embd);
        add_ffn(kept);
        for (const uint32_t layer : kept.layers) add_heads(kept, layer);
        return kept;
    }

  private:
    void check_shape() const {
        const auto check = [&](const char * what, uint32_t of_file, uint32_t of_model) {
            if (of_file != of_model)
                throw failure(error_code::importance_mismatch,
                              "the importance was measured on another model: its " + std::string(what) + " is " +
                                  std::to_string(of_file) + ", the model's " + std::to_string(of_model),
                              { { what, std::to_string(of_file) + " | " + std::to_string(of_model) } });
        };
        check("hidden width", measured_->n_embd, shape_.n_embd);
        check("FFN width", measured_->n_ff, shape_.n_ff);
        check("number of heads", measured_->n_head, shape_.n_head);
        check("number of layers", measured_->n_layer, shape_.n_layer);
    }

    bool is_random() const { return request_.order == selection_order::random; }

    const importance & measured() const {
        if (!measured_)
            throw failure(error_code::invalid_argument,
                          "options.text: choosing by importance needs a text or an importance file",
                          { { "parameter", "options.text" } });
        return *measured_;
    }

    // The n that stay, ascending.
    std::vector<uint32_t> best(const std::vector<double> & scores, uint32_t n) const {
        const bool lowest = request_.order == selection_order::unimportant;
        std::vector<uint32_t> order = all_of((uint32_t) scores.size());
        std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
            return lowest ? scores[a] < scores[b] : scores[a] > scores[b];
        });
        order.resize(n);
        std::sort(order.begin(), order.end());
        return order;
    }

    // One layer's row of [n_layer][n] sums of squares, as scores.
    static std::vector<double> row(const std::vector<double> & sums, uint32_t layer, uint32_t n) {
        std::vector<double> scores(sums.begin() + (ptrdiff_t) layer * n, sums.begin() + (ptrdiff_t) (layer + 1) * n);
        for (double & score : scores) score = std::sqrt(score);
        return scores;
    }

    std::vector<uint32_t> layers() const {
        const uint32_t n = counts_.n_layer;
        if (!request_.layer_list.empty()) return request_.layer_list;
        if (n == shape_.n_layer) return all_of(n);
        if (request_.layer_rule == "influence") {
            if (is_random()) return best(random_scores(shape_.n_layer, request_.seed, pruned_dimension::layers, 0), n);
            return best(measured().influence, n);
        }
        const std::vector<int32_t> named = named_layer_map(request_.layer_rule, shape_.n_layer, n);
        return { named.begin(), named.end() };
    }

    std::vector<double> hidden_scores(const std::vector<uint32_t> & layers) const {
        const uint32_t n = shape_.n_embd;
        const auto mean = (size_t) request_.mean;
        if (is_random()) return random_scores(n, request_.seed, pruned_dimension::hidden, 0);
        if (!request_.hidden_by_layer) return row(measured().hidden[mean], 0, n);
        std::vector<double> sum(n);
        for (const uint32_t layer : layers) add_normalised(sum, row(measured().hidden_layers[mean], layer, n));
        return sum;
    }

    std::vector<double> ffn_scores(uint32_t layer) const {
        if (is_random()) return random_scores(shape_.n_ff, request_.seed, pruned_dimension::ffn, layer);
        return row(measured().ffn[(size_t) request_.mean], layer, shape_.n_ff);
    }

    void add_ffn(kept_parts & kept) const {
        const uint32_t n = counts_.n_ff;
        if (n == shape_.n_ff) {
            kept.ffn.assign(kept.layers.size(), all_of(n));
        } else if (request_.common_ffn) {
            // A random set needs no vote of the layers.
            std::vector<double> sum(shape_.n_ff);
            if (is_random())
                sum = ffn_scores(0);
            else
                for (const uint32_t layer : kept.layers) add_normalised(sum, ffn_scores(layer));
            kept.ffn.assign(kept.layers.size(), best(sum, n));
        } else {
            for (const uint32_t layer : kept.layers) kept.ffn.push_back(best(ffn_scores(layer), n));
        }
    }

    void add_heads(kept_parts & kept, uint32_t layer) const {
        const uint32_t group = shape_.n_head / shape_.n_head_kv, stays = counts_.n_head / counts_.n_head_kv;
        const bool groups_go = counts_.n_head_kv < shape_.n_head_kv, heads_go = stays < group;
        std::vector<double> scores;
        if (groups_go || heads_go)
            scores = is_random() ? random_scores(shape_.n_head, request_.seed, pruned_dimension::heads, layer)
                                 : row(measured().heads, layer, shape_.n_head);

        std::vector<uint32_t> kv_heads = all_of(shape_.n_head_kv);
        if (groups_go) {
            std::vector<double> sums(shape_.n_head_kv);
            for (uint32_t head = 0; head < shape_.n_head; head++) sums[head / group] += scores[head];
            if (is_random()) sums = random_scores(shape_.n_head_kv, request_.seed, pruned_dimension::kv_heads, layer);
            kv_heads = best(sums, counts_.n_head_kv);
        }

        std::vector<uint32_t> heads;
        for (const uint32_t kv_head : kv_heads) {
            const uint32_t first = kv_head * group;
            const std::vector<uint32_t> inside =
                heads_go ? best({ scores.begin() + first, scores.begin() + first + group }, stays) : all_of(group);
            for (const uint32_t head : inside) heads.push_back(first + head);
        }
        kept.heads.push_back(std::move(heads));
        kept.kv_heads.push_back(std::move(kv_heads));
    }

    const prune_request & request_;
    const kept_counts & counts_;
    const model_shape & shape_;
    const importance * measured_;
};

}  // namespace

bool prune_request::needs_importance() const {
    if (order == selection_order::random) return false;
    const bool by_target = target_params > 0 || target_bytes > 0;
    const bool by_influence = layer_list.empty() && asks(layers) && layer_rule == "influence";
    return by_target || by_influence || asks(hidden) || asks(ffn) || asks(heads) || asks(kv_heads);
}

kept_parts select_parts(const prune_request & request, const kept_counts & counts, const model_shape & shape,
                        const importance * measured) {
    return selecting(request, counts, shape, measured).run();
}

}  // namespace overfill
