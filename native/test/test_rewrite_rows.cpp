// Every row of the architecture table through the rewriter: what stays the same must stay the same to llama.cpp.
#include "architecture.h"
#include "check.h"
#include "engine_driver.h"
#include "gguf_metadata.h"
#include "model_traits.h"
#include "models.h"
#include "pair_plan.h"
#include "rewrite_parts.h"
#include "row_model.h"
#include "temp_folder.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <set>

using namespace overfill;
using namespace overfill::test;

// A model of the row that its loader takes as it is.
static row_model model_of(const architecture & row) {
    row_model model;
    model.architecture = row.name;
    model.fused_qkv = row.carrier && row.fused_gate_up;
    model.tied = !row.square_attention;
    if (row.rope_layers) model.n_layer = row.rope_layers;
    if (row.rope_free_step) model.n_layer = 8;
    if (model.architecture == "gemma3" || model.architecture == "gemma2" || model.architecture == "olmo2")
        model.sliding_window = 6;
    if (model.architecture == "gemma3" || model.architecture == "olmo2") model.n_layer = 8;
    if (row.square_attention || model.architecture == "seed_oss") model.biases = model.architecture == "qwen2";
    if (model.architecture == "glm4" || model.architecture == "seed_oss") model.biases = true;
    return model;
}

// The norms of the heads share their epsilon with those over the hidden channels, for which it is changed; a smaller
// one shows that there is no other difference.
static float test_eps(const architecture & row) { return row.qk == qk_norm::none ? 1e-5f : 1e-8f; }

// llama.cpp looks GELU up in a table by its argument as f16: a rounding more or less becomes a step of 2^-11.
static double tolerance(const architecture & row) { return row.activation == ffn_activation::gelu ? 3e-3 : 1e-5; }

// Every row, and what has rules of its own.
static std::vector<std::pair<const architecture *, row_model>> models_to_try() {
    std::vector<std::pair<const architecture *, row_model>> models;
    for (const architecture & row : all_architectures()) {
        models.emplace_back(&row, model_of(row));
        if (!row.wide_scale_layers) continue;
        // With so many layers the graph scales Q by the width and the number of heads. A model with one more comes to
        // have so many when it loses one.
        for (const uint32_t n_more : { 0, 1 })
            for (const bool fused : { false, true }) {
                row_model model = model_of(row);
                model.n_layer = row.wide_scale_layers + n_more;
                model.n_head = model.n_head_kv = 4;
                model.head_size = 12;
                model.fused_qkv = model.biases = fused;
                models.emplace_back(&row, model);
            }
    }
    return models;
}

// Whether the pruned file goes on from its parent's cache.
static void check_shares(const std::string & parent, const std::string & pruned) {
    const auto go_on = [](float) { return true; };
    const model_ptr a = load_model({ parent, 0 }, load_depth::metadata, go_on),
                    b = load_model({ pruned, 0 }, load_depth::metadata, go_on);
    translator map;
    for (const double layer : gguf_metadata(pruned).numbers("overfill.layer_map"))
        map.layers.push_back((int32_t) layer);
    const pair_plan plan = plan_pair(traits_of(a.get()), llama_model_get_vocab(a.get()), {}, traits_of(b.get()),
                                     llama_model_get_vocab(b.get()), {}, map);
    CHECK_EQUAL(std::string(handover_kind_name(plan.kind)) + ": " + summarize(plan),
                std::string("share: the caches are alike"));
}

TEST("every architecture keeps everything: the tensors are the parent's bytes, the logits are equal to the bit") {
    for (const architecture & row : all_architectures()) {
        std::printf("  %s\n", row.name);
        const temp_folder folder;
        const std::string from = folder.file("a.gguf"), to = folder.file("b.gguf");
        write_row_model(model_of(row), from);
        rewrite_options options;
        options.out_path = to;
        options.type = "same";
        {
            const parent_model parent(from);
            rewrite_now(from, keep_all(parent.shape()), counts_of(parent.shape()), options);
        }
        CHECK(logits_of(to, logits_tokens) == logits_of(from, logits_tokens));
        check_shares(from, to);
    }
}

// Channels of the residual stream that nothing writes, FFN channels that are read by nothing, heads whose output is not
// read: what is dead by construction.
struct dead_parts {
    std::vector<uint32_t> hidden;
    std::vector<std::vector<uint32_t>> ffn;
    std::vector<std::vector<uint32_t>> heads;
};

static void kill(const dead_parts & dead, const architecture & row, uint32_t head_size, const std::string & name,
                 std::vector<float> & values, int64_t ne0, int64_t ne1) {
    const auto zero_row = [&](int64_t i) { std::fill_n(values.begin() + i * ne0, ne0, 0.0f); };
    const auto zero_column = [&](int64_t i) {
        for (int64_t r = 0; r < ne1; r++) values[(size_t) (r * ne0 + i)] = 0;
    };
    int layer = -1, n = 0;
    std::sscanf(name.c_str(), "blk.%d.%n", &layer, &n);
    const std::string base = name.substr((size_t) n);
    const bool post = base == "post_attention_norm.weight" || base == "post_ffw_norm.weight";
    if (name == "token_embd.weight" || (post && row.norms != norm_place::before))
        for (const uint32_t i : dead.hidden) zero_column(i);
    if (base == "attn_output.weight" || base == "ffn_down.weight")
        for (const uint32_t i : dead.hidden) zero_row(i);
    if (base == "attn_output.bias" || base == "ffn_down.bias")
        for (const uint32_t i : dead.hidden) values[i] = 0;
    if (base == "ffn_down.weight")
        for (const uint32_t i : dead.ffn[(size_t) layer]) zero_column(i);
    // A norm over all heads counts every Q and K: they are dead only if they are zero.
    const bool counted = row.qk == qk_norm::all_heads && (base == "attn_q.weight" || base == "attn_k.weight");
    if (counted || base == "attn_output.weight")
        for (const uint32_t head : dead.heads[(size_t) layer])
            for (uint32_t i = 0; i < head_size; i++)
                counted ? zero_row(head * head_size + i) : zero_column(head * head_size + i);
}

static std::vector<uint32_t> others(uint32_t n, const std::vector<uint32_t> & dead) {
    const std::set<uint32_t> gone(dead.begin(), dead.end());
    std::vector<uint32_t> out;
    for (uint32_t i = 0; i < n; i++)
        if (!gone.count(i)) out.push_back(i);
    return out;
}

struct dead_case {
    row_model model;
    dead_parts dead;
    kept_parts kept;
    kept_counts counts;
};

// A model with dead channels and heads, and what is left of it without them.
static dead_case dead_case_of(const architecture & row, row_model model) {
    dead_case out;
    model.norm_eps = test_eps(row);
    // Where the attention must stay square and nothing else carries it: one head of 4, 16 channels of 64.
    const bool stays_square = row.square_attention && !row.carrier;
    if (stays_square) model.n_head_kv = 4;
    std::mt19937 random(7);
    out.dead.hidden = drawn(model.n_embd, stays_square ? 16 : 20, random);
    for (uint32_t il = 0; il < model.n_layer; il++) {
        out.dead.ffn.push_back(drawn(model.n_ff, 30, random));
        if (stays_square)
            out.dead.heads.push_back({ il % 4 });
        else
            out.dead.heads.push_back({ il % 2, 2 + (il / 2) % 2 });  // one of each KV group, or two groups
        out.kept.layers.push_back(il);
        out.kept.ffn.push_back(others(model.n_ff, out.dead.ffn[il]));
        out.kept.heads.push_back(others(model.n_head, out.dead.heads[il]));
        out.kept.kv_heads.push_back(model.n_head == model.n_head_kv ? out.kept.heads[il] : others(model.n_head_kv, {}));
    }
    out.kept.hidden = others(model.n_embd, out.dead.hidden);
    out.counts = { (uint32_t) out.kept.hidden.size(), (uint32_t) out.kept.ffn[0].size(),
                   (uint32_t) out.kept.heads[0].size(), (uint32_t) out.kept.kv_heads[0].size(), model.n_layer };
    model.change = [dead = out.dead, &row,
                    size = model.head_size](const std::string & name, std::vector<float> & values, int64_t ne0,
                                            int64_t ne1) { kill(dead, row, size, name, values, ne0, ne1); };
    out.model = model;
    return out;
}

TEST("every architecture loses its dead channels and heads, and its logits stay") {
    for (const auto & entry : models_to_try()) {
        const architecture & row = *entry.first;
        const temp_folder folder;
        const std::string from = folder.file("a.gguf"), to = folder.file("b.gguf");
        const dead_case work = dead_case_of(row, entry.second);
        write_row_model(work.model, from);
        rewrite_options options;
        options.out_path = to;
        options.type = "f32";
        const rewrite_result result = rewrite_now(from, work.kept, work.counts, options);
        const double difference = relative_difference(logits_of(to, logits_tokens), logits_of(from, logits_tokens));
        std::printf("  %-14s as %-14s differs by %.1e\n", row.name, result.plan.architecture.c_str(), difference);
        CHECK(difference < tolerance(row));
        // Else the KV heads are fewer.
        if (work.counts.n_head_kv == work.model.n_head_kv) check_shares(from, to);
    }
}

TEST("in two stages every architecture, without what is dead, writes what it would write alone") {
    size_t n_written = 0;  // some answers end at once: the weights are random
    for (const architecture & row : all_architectures()) {
        const dead_case work = dead_case_of(row, model_of(row));
        if (work.counts.n_head_kv < work.model.n_head_kv) continue;  // does not share
        const temp_folder folder;
        const std::string from = folder.file("a.gguf"), to = folder.file("b.gguf");
        write_row_model(work.model, from);
        rewrite_options options;
        options.out_path = to;
        options.type = "f32";
        rewrite_now(from, work.kept, work.counts, options);
        std::vector<llama_token> written[2];
        for (const bool pruned : { false, true }) {
            pair_info info;
            const std::shared_ptr<engine> pair = load(options_for(from, pruned ? to : from), &info);
            CHECK(info.writers[0].plan.kind == handover_kind::share);
            const std::shared_ptr<session_handle> session = create_session(*pair);
            prefill(*session, logits_tokens);
            hand_over(*session);
            written[pruned] = decode(*session, greedy(16)).tokens;
            dispose(*pair);
        }
        n_written += written[1].size();
        // A step in GELU's table may decide between two tokens.
        if (row.activation != ffn_activation::gelu) CHECK(written[0] == written[1]);
    }
    CHECK(n_written > 100);
}

TEST("every architecture is padded, and its logits stay") {
    for (const architecture & row : all_architectures()) {
        const temp_folder folder;
        const std::string from = folder.file("a.gguf"), to = folder.file("b.gguf");
        row_model model = model_of(row);
        model.norm_eps = test_eps(row);
        write_row_model(model, from);
        kept_parts kept;
        kept_counts counts;
        {
            const parent_model parent(from);
            kept = keep_all(parent.shape());
            counts = counts_of(parent.shape());
        }
        counts.n_embd = row.square_attention && !row.carrier ? 64 : 96;
        counts.n_ff = 128;
        rewrite_options options;
        options.out_path = to;
        options.type = "same";
        options.compensate = false;
        const rewrite_result result = rewrite_now(from, kept, counts, options);
        const double difference = relative_difference(logits_of(to, logits_tokens), logits_of(from, logits_tokens));
        std::printf("  %-14s as %-14s differs by %.1e\n", row.name, result.plan.architecture.c_str(), difference);
        CHECK(difference < tolerance(row));
        CHECK_EQUAL(gguf_metadata(to).number("overfill.pad.ffn").value_or(0), 96.0);
        CHECK(!gguf_metadata(to).has("overfill.prune.version"));
        check_shares(from, to);
    }
}

TEST("a cut model is padded as it is written or afterwards, with the same outcome, and shares as before") {
    for (const char * name : { "qwen2", "qwen3", "gemma3", "phi3" }) {
        const architecture & row = *find_architecture(name);
        const temp_folder folder;
        const std::string from = folder.file("a.gguf"), narrow = folder.file("b.gguf"), wide = folder.file("c.gguf"),
                          again = folder.file("d.gguf");
        const dead_case work = dead_case_of(row, model_of(row));
        write_row_model(work.model, from);
        for (const bool compensate : { false, true }) {
            rewrite_options options;
            options.type = "f32";
            options.compensate = compensate;
            options.out_path = narrow;
            rewrite_now(from, work.kept, work.counts, options);
            kept_counts counts = work.counts;
            counts.n_embd = 128;
            counts.n_ff = 96;
            options.out_path = wide;
            rewrite_now(from, work.kept, counts, options);
            options.out_path = again;
            rewrite_now(narrow, keep_all(parent_model(narrow).shape()), counts, options);
            const std::vector<float> expected = logits_of(narrow, logits_tokens);
            CHECK(relative_difference(logits_of(wide, logits_tokens), expected) < tolerance(row));
            CHECK(relative_difference(logits_of(again, logits_tokens), expected) < tolerance(row));
            // What is dead is not dead to an uncompensated norm.
            if (!compensate) CHECK(relative_difference(expected, logits_of(from, logits_tokens)) > 1e-2);
            check_shares(from, wide);
            check_shares(from, again);
        }
    }
}

TEST("every architecture loses layers that do nothing, and its logits stay") {
    for (const auto & entry : models_to_try()) {
        const architecture & row = *entry.first;
        row_model model = entry.second;
        const temp_folder folder;
        const std::string from = folder.file("a.gguf"), to = folder.file("b.gguf");
        // Where the number of layers decides on RoPE by their number, four at once go.
        std::set<uint32_t> dead = { 1 };
        if (row.rope_free_step) dead = { 2, 3, 4, 5 };
        model.change = [&](const std::string & name, std::vector<float> & values, int64_t, int64_t) {
            int layer = -1, n = 0;
            std::sscanf(name.c_str(), "blk.%d.%n", &layer, &n);
            const std::string base = name.substr((size_t) n);
            const bool post = base == "post_attention_norm.weight" || base == "post_ffw_norm.weight";
            if (dead.count((uint32_t) layer) && (base == "attn_output.weight" || base == "ffn_down.weight" ||
                                                 (post && row.norms != norm_place::before)))
                std::fill(values.begin(), values.end(), 0.0f);
        };
        write_row_model(model, from);
        kept_parts kept;
        kept_counts counts;
        {
            const parent_model parent(from);
            kept = keep_all(parent.shape());
            counts = counts_of(parent.shape());
        }
        kept.layers = others(model.n_layer, { dead.begin(), dead.end() });
        counts.n_layer = (uint32_t) kept.layers.size();
        kept.ffn.resize(counts.n_layer);
        kept.heads.resize(counts.n_layer);
        kept.kv_heads.resize(counts.n_layer);
        rewrite_options options;
        options.out_path = to;
        options.type = "same";
        const rewrite_result result = rewrite_now(from, kept, counts, options);
        const double difference = relative_difference(logits_of(to, logits_tokens), logits_of(from, logits_tokens));
        std::printf("  %-14s as %-14s differs by %.1e\n", row.name, result.plan.architecture.c_str(), difference);
        CHECK(difference < tolerance(row));
        check_shares(from, to);
    }
}
