// The parts that stay are those with the right scores: cases worked by hand, and random ones against their definition.
#include "check.h"
#include "prune_shapes.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <set>

using namespace overfill;
using namespace overfill::test;

namespace {

constexpr size_t means = n_activation_means;

// An importance of given scores: hidden by layer and channel, and so on; the sums are their squares.
struct scores {
    std::vector<std::vector<double>> hidden, ffn, heads;
    std::vector<double> influence;
};

std::vector<double> squares(const std::vector<std::vector<double>> & rows) {
    std::vector<double> out;
    for (const auto & row : rows)
        for (const double value : row) out.push_back(value * value);
    return out;
}

// The signed ones are as given, the absolute ones the other way round, so that a mix-up shows.
importance importance_of(const scores & given) {
    importance out;
    out.n_layer = (uint32_t) given.ffn.size();
    out.n_embd = (uint32_t) given.hidden[0].size();
    out.n_ff = (uint32_t) given.ffn[0].size();
    out.n_head = (uint32_t) given.heads[0].size();
    for (size_t mean = 0; mean < means; mean++) {
        auto hidden = given.hidden, ffn = given.ffn;
        for (auto * rows : { &hidden, &ffn })
            for (auto & row : *rows)
                if (mean == (size_t) activation_mean::absolute_values) std::reverse(row.begin(), row.end());
        std::vector<double> sum(out.n_embd);
        for (const auto & row : hidden)
            for (size_t i = 0; i < sum.size(); i++) sum[i] += row[i];
        out.hidden[mean] = squares({ sum });
        out.hidden_layers[mean] = squares(hidden);
        out.ffn[mean] = squares(ffn);
    }
    out.heads = squares(given.heads);
    out.influence = given.influence;
    return out;
}

importance random_importance(const model_shape & shape, std::mt19937 & random) {
    const auto rows = [&](uint32_t n) {
        std::vector<std::vector<double>> out(shape.n_layer, std::vector<double>(n));
        for (auto & row : out)
            for (double & value : row) value = (double) (random() % 20);  // with ties
        return out;
    };
    scores given{ rows(shape.n_embd), rows(shape.n_ff), rows(shape.n_head), {} };
    for (uint32_t i = 0; i < shape.n_layer; i++) given.influence.push_back((double) (random() % 20));
    return importance_of(given);
}

// Two layers, 4 hidden and 4 FFN channels, 4 heads on 2 KV heads.
const model_shape small = shape_of(4, 4, 4, 2, 2);
const scores small_scores = {
    { { 10, 20, 30, 40 }, { 3, 0, 0, 1 } },
    { { 1, 5, 3, 2 }, { 300, 100, 100, 200 } },
    { { 1, 2, 4, 3 }, { 9, 0, 1, 2 } },
    { 0.1, 0.7 },
};

kept_parts select(const prune_request & request, const kept_counts & counts) {
    const importance measured = importance_of(small_scores);
    return select_parts(request, counts, small, &measured);
}

}  // namespace

TEST("layers are kept by rule, list and influence") {
    const model_shape shape = shape_of(4, 4, 2, 1, 6);
    importance measured;
    measured.n_embd = measured.n_ff = 4;
    measured.n_head = 2;
    measured.n_layer = 6;
    measured.influence = { 5, 1, 3, 3, 0, 9 };
    const auto layers = [&](const char * rule, uint32_t n, selection_order order = selection_order::important) {
        prune_request request;
        request.layers = count(n);
        request.layer_rule = rule;
        request.order = order;
        const resolved_counts counts = resolve(request, shape);
        return text_of(select_parts(request, counts.counts, shape, &measured).layers);
    };
    CHECK_EQUAL(layers("first", 3), "0 1 2 ");
    CHECK_EQUAL(layers("last", 3), "3 4 5 ");
    CHECK_EQUAL(layers("firstlast", 3), "0 4 5 ");
    CHECK_EQUAL(layers("firstlast", 1), "0 ");
    CHECK_EQUAL(layers("influence", 3), "0 2 5 ");  // of the two with 3 the lower
    CHECK_EQUAL(layers("influence", 3, selection_order::unimportant), "1 2 4 ");
    CHECK_EQUAL(layers("influence", 6), "0 1 2 3 4 5 ");
    prune_request listed;
    listed.layer_list = { 1, 4 };
    CHECK_EQUAL(resolve(listed, shape).counts.n_layer, 2u);
    CHECK_EQUAL(text_of(select_parts(listed, resolve(listed, shape).counts, shape, nullptr).layers), "1 4 ");
    prune_request half;
    half.layers = ratio(0.45);
    CHECK_EQUAL(resolve(half).counts.n_layer, 15u);  // int(15.4)
}

TEST("hidden channels go by the sum over all layers, or by each kept layer's share") {
    prune_request request;
    kept_counts counts = counts_of(small);
    counts.n_embd = 2;
    CHECK_EQUAL(text_of(select(request, counts).hidden), "2 3 ");  // 13 20 30 41
    request.mean = activation_mean::absolute_values;
    CHECK_EQUAL(text_of(select(request, counts).hidden), "0 1 ");
    request.mean = activation_mean::signed_values;
    request.hidden_by_layer = true;  // 0.4 0.8 1.2 1.6 and 3 0 0 1
    CHECK_EQUAL(text_of(select(request, counts).hidden), "0 3 ");
    request.layer_list = { 0 };
    counts.n_layer = 1;
    CHECK_EQUAL(text_of(select(request, counts).hidden), "2 3 ");
    request.order = selection_order::unimportant;
    CHECK_EQUAL(text_of(select(request, counts).hidden), "0 1 ");
}

TEST("FFN channels go by their layer's scores, or one set by every kept layer's share") {
    prune_request request;
    kept_counts counts = counts_of(small);
    counts.n_ff = 2;
    CHECK_EQUAL(text_of(select(request, counts).ffn[0]), "1 2 ");
    CHECK_EQUAL(text_of(select(request, counts).ffn[1]), "0 3 ");
    request.common_ffn = true;  // of means 2.75 and 175: 2.08 2.39 1.66 1.87
    CHECK_EQUAL(text_of(select(request, counts).ffn[0]), "0 1 ");
    CHECK_EQUAL(text_of(select(request, counts).ffn[1]), "0 1 ");
    request.common_ffn = false;
    request.layer_list = { 1 };
    counts.n_layer = 1;
    const kept_parts kept = select(request, counts);
    CHECK_EQUAL(kept.ffn.size(), (size_t) 1);
    CHECK_EQUAL(text_of(kept.ffn[0]), "0 3 ");
}

TEST("heads go inside their KV head's group, and KV heads by the sum of their group") {
    prune_request request;
    kept_counts counts = counts_of(small);
    counts.n_head = 2;
    CHECK_EQUAL(text_of(select(request, counts).heads[0]), "1 2 ");
    CHECK_EQUAL(text_of(select(request, counts).heads[1]), "0 3 ");
    CHECK_EQUAL(text_of(select(request, counts).kv_heads[0]), "0 1 ");
    counts.n_head_kv = 1;
    CHECK_EQUAL(text_of(select(request, counts).heads[0]), "2 3 ");
    CHECK_EQUAL(text_of(select(request, counts).kv_heads[0]), "1 ");
    CHECK_EQUAL(text_of(select(request, counts).heads[1]), "0 1 ");
    counts.n_head = 1;
    CHECK_EQUAL(text_of(select(request, counts).heads[0]), "2 ");
    CHECK_EQUAL(text_of(select(request, counts).heads[1]), "0 ");
}

TEST("all of a model is kept without importance, and what needs it says so") {
    const prune_request request;
    const kept_parts kept = select_parts(request, counts_of(small), small, nullptr), all = keep_all(small);
    CHECK(kept.hidden == all.hidden && kept.layers == all.layers && kept.ffn == all.ffn && kept.heads == all.heads &&
          kept.kv_heads == all.kv_heads);
    kept_counts fewer = counts_of(small);
    fewer.n_ff = 3;
    CHECK_FAILURE(error_code::invalid_argument, select_parts(request, fewer, small, nullptr));
    importance other = importance_of(small_scores);
    other.n_ff = 5;
    const std::string message =
        CHECK_FAILURE(error_code::importance_mismatch, select_parts(request, fewer, small, &other));
    CHECK(message.find("FFN width is 5") != std::string::npos);
}

TEST("every selection is sorted, of the right size, and better than what is left") {
    std::mt19937 random(7);
    for (int round = 0; round < 300; round++) {
        const uint32_t n_kv = 1 + random() % 4, group = 1 + random() % 4;
        const model_shape shape =
            shape_of(1 + random() % 100, 1 + random() % 100, n_kv * group, n_kv, 1 + random() % 6);
        const importance measured = random_importance(shape, random);
        prune_request request;
        const auto wish = [&](uint32_t n) { return random() % 4 == 0 ? size_wish{} : count(1 + random() % n); };
        request.hidden = wish(shape.n_embd);
        request.ffn = wish(shape.n_ff);
        request.kv_heads = wish(shape.n_head_kv);
        request.heads = ratio((random() % 50) / 100.0);
        if (shape.n_head == 1) request.heads = {};
        request.layers = wish(shape.n_layer);
        request.layer_rule = random() % 2 ? "influence" : "firstlast";
        request.mean = (activation_mean) (random() % 2);
        request.order = (selection_order) (random() % 3);
        request.common_ffn = random() % 4 == 0;
        request.multiple = 1 + random() % 8;
        const kept_counts counts = resolve(request, shape).counts;
        const kept_parts kept = select_parts(request, counts, shape, &measured);

        const auto is_choice = [](const indices & list, uint32_t n, uint32_t of) {
            return list.size() == n && std::is_sorted(list.begin(), list.end()) &&
                   std::set<uint32_t>(list.begin(), list.end()).size() == n && list.back() < of;
        };
        const double sign = request.order == selection_order::unimportant ? -1 : 1;
        const auto is_best = [&](const indices & list, const std::vector<double> & scores, uint32_t first, uint32_t n) {
            if (request.order == selection_order::random) return true;
            double worst = INFINITY, best = -INFINITY;
            for (uint32_t i = 0; i < n; i++) {
                const double score = sign * scores[first + i];
                if (std::binary_search(list.begin(), list.end(), i))
                    worst = std::min(worst, score);
                else
                    best = std::max(best, score);
            }
            return worst >= best;
        };
        const auto mean = (size_t) request.mean;
        CHECK(is_choice(kept.layers, counts.n_layer, shape.n_layer));
        CHECK(is_choice(kept.hidden, counts.n_embd, shape.n_embd));
        CHECK(is_best(kept.hidden, measured.hidden[mean], 0, shape.n_embd));
        if (request.layer_rule == "influence") CHECK(is_best(kept.layers, measured.influence, 0, shape.n_layer));
        CHECK(kept.ffn.size() == counts.n_layer && kept.heads.size() == counts.n_layer &&
              kept.kv_heads.size() == counts.n_layer);
        for (uint32_t i = 0; i < counts.n_layer; i++) {
            const uint32_t layer = kept.layers[i];
            CHECK(is_choice(kept.ffn[i], counts.n_ff, shape.n_ff));
            if (!request.common_ffn) CHECK(is_best(kept.ffn[i], measured.ffn[mean], layer * shape.n_ff, shape.n_ff));
            CHECK(is_choice(kept.kv_heads[i], counts.n_head_kv, shape.n_head_kv));
            CHECK(is_choice(kept.heads[i], counts.n_head, shape.n_head));
            std::vector<uint32_t> in_group(shape.n_head_kv);
            for (const uint32_t head : kept.heads[i]) in_group[head / group]++;
            for (uint32_t kv = 0; kv < shape.n_head_kv; kv++) {
                const bool stays = std::binary_search(kept.kv_heads[i].begin(), kept.kv_heads[i].end(), kv);
                CHECK_EQUAL(in_group[kv], stays ? counts.n_head / counts.n_head_kv : 0);
                indices inside;
                for (const uint32_t head : kept.heads[i])
                    if (head / group == kv) inside.push_back(head % group);
                if (stays) CHECK(is_best(inside, measured.heads, layer * shape.n_head + kv * group, group));
            }
        }
    }
}

TEST("a random order follows from the seed alone, and each layer has its own") {
    const model_shape shape = shape_of(64, 64, 8, 2, 3);
    const auto choose = [&](uint32_t seed, uint32_t n) {
        prune_request request;
        request.order = selection_order::random;
        request.seed = seed;
        kept_counts counts = counts_of(shape);
        counts.n_embd = counts.n_ff = n;
        counts.n_head = 4;
        return select_parts(request, counts, shape, nullptr);
    };
    const kept_parts first = choose(1, 16), again = choose(1, 16), other = choose(2, 16), more = choose(1, 32);
    CHECK(first.hidden == again.hidden && first.ffn == again.ffn && first.heads == again.heads);
    CHECK(first.hidden != other.hidden);
    CHECK(first.ffn[0] != first.ffn[1] && first.ffn[1] != first.ffn[2]);
    CHECK(first.hidden != first.ffn[0]);
    CHECK(std::includes(more.ffn[0].begin(), more.ffn[0].end(), first.ffn[0].begin(), first.ffn[0].end()));
    // The same on every platform and in every release: a recorded choice can be made again.
    const kept_parts recorded = choose(1, 4);
    CHECK_EQUAL(text_of(recorded.hidden), "22 32 34 35 ");
    CHECK_EQUAL(text_of(recorded.ffn[2]), "34 50 51 63 ");

    // Not even nearly all channels in one half.
    std::vector<uint32_t> times(64);
    for (uint32_t seed = 0; seed < 400; seed++)
        for (const uint32_t channel : choose(seed, 16).hidden) times[channel]++;
    for (const uint32_t n : times) CHECK(n > 60 && n < 140);  // 100 expected, deviation 8.7
}
