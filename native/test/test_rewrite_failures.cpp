// The rewriter where it fails: a coded error, no file left, and what was there before stays.
#include "check.h"
#include "cut_layout.h"
#include "model_traits.h"
#include "rewrite.h"
#include "row_model.h"
#include "temp_folder.h"
#include "verify_layers.h"

#include <ggml-cpp.h>
#include <gguf.h>

#include <cmath>
#include <thread>

#ifndef _WIN32
#include <csignal>
#include <sys/resource.h>
#endif

using namespace overfill;
using namespace overfill::test;

struct rewrite_case {
    explicit rewrite_case(const row_model & model = {}) : from(folder.file("a.gguf")), to(folder.file("b.gguf")) {
        write_row_model(model, from);
        const parent_model parent(from);
        shape = parent.shape();
        kept = keep_all(shape);
        counts = counts_of(shape);
        options.out_path = to;
        options.type = "f32";
        options.n_threads = 2;
    }
    rewrite_result run(const std::function<void(uint64_t, uint64_t)> & on_progress = nullptr) {
        return rewrite(parent_model(from), kept, counts, options, on_progress, stop);
    }
    void keep_layers(const std::vector<uint32_t> & layers) {
        kept.layers = layers;
        counts.n_layer = (uint32_t) layers.size();
        kept.ffn.resize(layers.size());
        kept.heads.resize(layers.size());
        kept.kv_heads.resize(layers.size());
    }
    void keep_hidden(uint32_t n) {
        kept.hidden.resize(n);
        counts.n_embd = n;
    }

    temp_folder folder;
    std::string from, to;
    model_shape shape;
    kept_parts kept;
    kept_counts counts;
    rewrite_options options;
    std::atomic<bool> stop{ false };
};

TEST("an abort at any point leaves nothing, and the file that was there stays") {
    for (const double point : { 0.0, 0.01, 0.3, 0.7, 0.99 }) {
        row_model model;
        model.n_embd = 512;  // some blocks
        model.n_vocab = 9000;
        rewrite_case work(model);
        put_bytes(work.to, "before");
        bool asked = false;
        CHECK_FAILURE(error_code::aborted, work.run([&](uint64_t done, uint64_t total) {
            asked = true;
            CHECK(done <= total);
            if ((double) done >= point * (double) total) work.stop = true;
        }));
        CHECK(asked);
        CHECK_EQUAL(work.folder.n_files(), (size_t) 2);
        CHECK_EQUAL(bytes_of(work.to), std::string("before"));
        work.stop = false;
        uint64_t last = 0, all = 0;
        const rewrite_result result = work.run([&](uint64_t done, uint64_t total) {
            CHECK(done > last);
            last = done;
            all = total;
        });
        CHECK_EQUAL(last, all);
        CHECK_EQUAL(result.n_file_bytes, all);
        CHECK_EQUAL(work.folder.n_files(), (size_t) 2);
    }
}

#ifndef _WIN32
TEST("a full disk leaves nothing, and the files that were there stay") {
    for (const uint64_t part_bytes : { 0, 30000 }) {
        rewrite_case work;
        work.options.max_part_bytes = part_bytes;
        const std::string first = part_bytes ? work.folder.file("b-00001-of-00010.gguf") : work.to;
        if (!part_bytes) put_bytes(first, "before");
        const size_t n_files = work.folder.n_files();
        // The system then refuses to write on, as it does on a full disk.
        std::signal(SIGXFSZ, SIG_IGN);
        rlimit before;
        getrlimit(RLIMIT_FSIZE, &before);
        for (const rlim_t limit : { 10, 20000, 40000 }) {
            const rlimit small = { limit, before.rlim_max };
            setrlimit(RLIMIT_FSIZE, &small);
            std::string message;
            try {
                work.run();
            } catch (const failure & error) {
                message = std::string(error_code_name(error.code())) + " " + error.what();
            }
            setrlimit(RLIMIT_FSIZE, &before);
            CHECK_EQUAL(message.substr(0, 21), std::string("ERR_FILE_WRITE_FAILED"));
            CHECK(message.find(".part") == std::string::npos);
            CHECK_EQUAL(work.folder.n_files(), n_files);
            if (!part_bytes) CHECK_EQUAL(bytes_of(first), std::string("before"));
            if (part_bytes && limit > 30000) break;
        }
    }
}
#endif

TEST("parts that cannot all be put in place leave none, and those that were there stay") {
    rewrite_case work;
    work.options.max_part_bytes = 60000;
    const rewrite_result result = work.run();
    CHECK(result.paths.size() > 2);
    for (const std::string & path : result.paths) put_bytes(path, "before");
    work.run();
    CHECK(bytes_of(result.paths[1]) != "before");
    CHECK_EQUAL(work.folder.n_files(), result.paths.size() + 1);
    for (const std::string & path : result.paths) put_bytes(path, "before");
    std::filesystem::remove(result.paths[1]);
    std::filesystem::create_directory(result.paths[1]);
    CHECK_FAILURE(error_code::file_write_failed, work.run());
    CHECK_EQUAL(work.folder.n_files(), result.paths.size() + 1);
    CHECK_EQUAL(bytes_of(result.paths[0]), std::string("before"));
}

TEST("a place that cannot be written to is refused") {
    rewrite_case work;
    const std::string parent = bytes_of(work.from);
    work.options.out_path = work.folder.file("none/b.gguf");
    CHECK_FAILURE(error_code::file_write_failed, work.run());
    work.options.out_path = work.folder.path.string();
    CHECK_FAILURE(error_code::file_write_failed, work.run());
    work.options.out_path = work.from;
    CHECK_FAILURE(error_code::invalid_argument, work.run());
    work.options.out_path = work.folder.file("./a.gguf");
    CHECK_FAILURE(error_code::invalid_argument, work.run());
    CHECK_EQUAL(work.folder.n_files(), (size_t) 1);
    CHECK(bytes_of(work.from) == parent);

    const std::vector<std::string> parts = write_split_row_model({}, work.folder.file("p"), 9);
    const std::string second = bytes_of(parts[1]);
    work.from = parts[0];
    work.options.out_path = parts[1];
    CHECK_FAILURE(error_code::invalid_argument, work.run());
    CHECK(bytes_of(parts[1]) == second);
}

TEST("a type that cannot be had is refused") {
    rewrite_case work;
    const parent_model parent(work.from);
    const auto refused = [&](const char * type, const kept_counts & counts) {
        rewrite_options options;
        options.type = type;
        return CHECK_FAILURE(error_code::invalid_argument, plan_rewrite(parent, counts, options));
    };
    CHECK(refused("q9_9", work.counts).find("q4_k_m") != std::string::npos);
    refused("Q8_0", work.counts);
    refused("", work.counts);
    for (const char * type : { "iq1_s", "iq2_xxs", "iq2_m", "iq3_xxs", "q2_k_s" }) {
        row_model wide;
        wide.n_embd = 256;
        wide.n_ff = 256;
        wide.head_size = 64;
        const rewrite_case other(wide);
        rewrite_options options;
        options.type = type;
        const std::string message =
            CHECK_FAILURE(error_code::invalid_argument, plan_rewrite(parent_model(other.from), other.counts, options));
        CHECK(message.find("importance matrix") != std::string::npos);
    }
    kept_counts odd = work.counts;
    odd.n_embd = 41;
    CHECK(refused("q8_0", odd).find("41") != std::string::npos);
    odd = work.counts;
    odd.n_ff = 65;
    refused("q4_k_m", odd);
    for (const char * type : { "f16", "same" }) {
        rewrite_options options;
        options.type = type;
        CHECK_EQUAL(plan_rewrite(parent, odd, options).tensors.size(), parent.tensors().size());
    }
}

TEST("values that are not finite are refused before anything is made of them, and the tensor is named") {
    for (const char * type : { "q8_0", "q4_0", "q4_k_m", "q6_k", "iq4_nl", "f16" })
        for (const float odd : { NAN, INFINITY, -INFINITY }) {
            row_model broken;
            broken.n_embd = 256;
            broken.n_ff = 256;
            broken.n_head = 16;
            broken.n_head_kv = 2;
            broken.change = [&](const std::string & name, std::vector<float> & values, int64_t, int64_t) {
                if (name == "blk.1.ffn_up.weight") values[300] = odd;
            };
            rewrite_case work(broken);
            work.options.type = type;
            try {
                work.run();
                CHECK(false);
            } catch (const failure & error) {
                CHECK(error.code() == error_code::model_invalid);
                CHECK(std::string(error.what()).find("blk.1.ffn_up.weight") != std::string::npos);
                CHECK_EQUAL(*error.details().back().second.text(), "blk.1.ffn_up.weight");
            }
            CHECK_EQUAL(work.folder.n_files(), (size_t) 1);
        }
}

TEST("parts that do not fit the model are refused") {
    const auto refused = [](const std::function<void(rewrite_case &)> & change) {
        rewrite_case work;
        change(work);
        CHECK_FAILURE(error_code::invalid_argument, work.run());
        CHECK_EQUAL(work.folder.n_files(), (size_t) 1);
    };
    refused([](rewrite_case & work) { work.kept.hidden.clear(); });
    refused([](rewrite_case & work) { work.kept.hidden[3] = 64; });
    refused([](rewrite_case & work) { std::swap(work.kept.hidden[0], work.kept.hidden[1]); });
    refused([](rewrite_case & work) { work.counts.n_embd = 63; });
    refused([](rewrite_case & work) { work.kept.ffn[1].pop_back(); });
    refused([](rewrite_case & work) { work.kept.ffn.pop_back(); });
    refused([](rewrite_case & work) { work.kept.layers = { 0, 1, 3 }; });
    refused([](rewrite_case & work) { work.kept.heads[0].pop_back(); });
    refused([](rewrite_case & work) {
        // Two heads of one group, none of the other.
        work.counts.n_head = 2;
        for (auto & heads : work.kept.heads) heads = { 0, 1 };
    });
    refused([](rewrite_case & work) { work.counts.n_head_kv = 0; });
    refused([](rewrite_case & work) { work.counts.n_head = 8; });
}

// A copy of the model with its metadata changed, or a tensor added.
static std::string altered(const rewrite_case & work, const std::function<void(gguf_context *)> & change,
                           const char * added_tensor = nullptr) {
    ggml_context * data = nullptr;
    const gguf_context_ptr from(gguf_init_from_file(work.from.c_str(), { false, &data })), out(gguf_init_empty());
    const ggml_context_ptr tensors(data), more(ggml_init({ 1 << 20, nullptr, false }));
    gguf_set_kv(out.get(), from.get());
    change(out.get());
    for (int64_t i = 0; i < gguf_get_n_tensors(from.get()); i++)
        gguf_add_tensor(out.get(), ggml_get_tensor(data, gguf_get_tensor_name(from.get(), i)));
    if (added_tensor) {
        ggml_tensor * tensor = ggml_new_tensor_2d(more.get(), GGML_TYPE_F32, 64, 64);
        ggml_set_name(tensor, added_tensor);
        ggml_set_zero(tensor);
        gguf_add_tensor(out.get(), tensor);
    }
    const std::string path = work.folder.file("altered.gguf");
    gguf_write_to_file(out.get(), path.c_str(), false);
    return path;
}

TEST("a parent that cannot be pruned is refused by what it is") {
    const rewrite_case work;
    const auto message = [&](const std::function<void(gguf_context *)> & change, const char * tensor = nullptr) {
        const std::string path = altered(work, change, tensor);
        return CHECK_FAILURE(error_code::prune_unsupported, parent_model{ path });
    };
    const auto nothing = [](gguf_context *) {};
    const auto names = [](const std::string & text, const char * what) { CHECK(text.find(what) != std::string::npos); };
    names(message([](gguf_context * g) { gguf_set_val_str(g, "general.architecture", "falcon"); }), "falcon");
    names(message(nothing, "blk.0.attn_rot.weight"), "blk.0.attn_rot.weight");
    names(message(nothing, "blk.0.ffn_gate_exps.weight"), "mixture of experts");
    names(message(nothing, "blk.0.attn_q_norm.weight"), "attn_q_norm");
    names(message(nothing, "blk.00.attn_q.weight"), "blk.00.attn_q.weight");
    names(message([](gguf_context * g) {
              gguf_set_val_u32(g, "llama.expert_count", 8);
              gguf_set_val_u32(g, "llama.expert_used_count", 2);
          }),
          "mixture of experts");
    const auto by_layer = [](const char * key, std::vector<uint32_t> values) {
        return [=](gguf_context * g) { gguf_set_arr_data(g, key, GGUF_TYPE_UINT32, values.data(), values.size()); };
    };
    names(message(by_layer("llama.feed_forward_length", { 96, 96, 64 })), "feed_forward_length");
    names(message(by_layer("llama.attention.head_count_kv", { 2, 4, 2 })), "head_count_kv");
    names(message([](gguf_context * g) { gguf_set_val_u32(g, "llama.attention.kv_lora_rank", 8); }), "kv_lora_rank");
    CHECK_EQUAL(parent_model(altered(work, by_layer("llama.feed_forward_length", { 96, 96, 96 }))).shape().n_ff, 96u);
    // llama.cpp writes this of models that take no pictures in, with -1 for each layer.
    const auto pictures = [](std::vector<int32_t> layers) {
        return [=](gguf_context * g) {
            gguf_set_arr_data(g, "llama.deepstack_mapping", GGUF_TYPE_INT32, layers.data(), layers.size());
        };
    };
    names(message(pictures({ -1, 0, -1 })), "deepstack_mapping");
    CHECK_EQUAL(parent_model(altered(work, pictures({ -1, -1, -1 }))).shape().n_ff, 96u);

    CHECK_FAILURE(error_code::model_invalid, parent_model{ altered(work, [](gguf_context * g) {
                      gguf_set_val_u32(g, "llama.feed_forward_length", 95);
                  }) });
    CHECK_FAILURE(error_code::model_not_found, parent_model{ work.folder.file("none.gguf") });
    const std::vector<std::string> parts = write_split_row_model({}, work.folder.file("p"), 9);
    CHECK_FAILURE(error_code::model_unsupported, parent_model{ parts[1] });
    std::filesystem::remove(parts[2]);
    CHECK_FAILURE(error_code::model_not_found, parent_model{ parts[0] });
}

TEST("sizes and layers that an architecture cannot have are refused, and no file is left") {
    const auto refused = [](const char * architecture, const std::function<void(row_model &)> & model_change,
                            const std::function<void(rewrite_case &)> & change, const char * because) {
        row_model model;
        model.architecture = architecture;
        model_change(model);
        rewrite_case work(model);
        change(work);
        const std::string message = CHECK_FAILURE(error_code::prune_unsupported, work.run());
        if (message.find(because) == std::string::npos) report(false, __FILE__, __LINE__, message);
        CHECK_EQUAL(work.folder.n_files(), (size_t) 1);
    };
    const auto as_it_is = [](row_model &) {};
    const auto narrow = [](rewrite_case & work) { work.keep_hidden(48); };
    refused("olmo2", as_it_is, narrow, "prune heads in the same ratio");
    refused("exaone4", as_it_is, narrow, "prune heads in the same ratio");
    refused(
        "phi3", [](row_model & model) { model.fused_qkv = model.long_factors = true; }, narrow, "RoPE factors");
    refused(
        "smollm3", [](row_model & model) { model.n_layer = 5; },
        [](rewrite_case & work) {
            work.keep_layers({ 1, 2, 3, 4 });
        },
        "has no RoPE");
    // At 64 layers llama.cpp gives this architecture sliding windows, and at no other number.
    refused(
        "exaone4", [](row_model & model) { model.n_layer = 64; },
        [](rewrite_case & work) {
            work.keep_layers({ 0, 1, 2, 3 });
        },
        "the sliding window of layer 0");
    refused(
        "gemma2", [](row_model & model) { model.n_layer = 46; }, [](rewrite_case & work) { work.keep_hidden(3); },
        "fewer hidden channels than heads");
}

TEST("a layer that llama.cpp takes for another is found") {
    model_traits parent;
    parent.n_vocab = 10;
    for (uint32_t i = 0; i < 3; i++) parent.layers.push_back({ 2, 16, 16, i == 1, true, 16, 10000.0f, 1.0f });
    kept_parts kept;
    kept.layers = { 1, 2 };
    const kept_counts counts = { 8, 12, 4, 2, 2 };
    model_traits pruned = parent;
    pruned.n_embd = 8;
    pruned.n_ff = 12;
    pruned.n_head = 4;
    pruned.n_layer = 2;
    pruned.layers = { parent.layers[1], parent.layers[2] };
    CHECK_EQUAL(layer_difference(parent, pruned, kept, counts), std::string());
    const auto found = [&](const std::function<void(model_traits &)> & change) {
        model_traits other = pruned;
        change(other);
        CHECK(!layer_difference(parent, other, kept, counts).empty());
    };
    found([](model_traits & t) { t.layers[1].sliding = true; });
    found([](model_traits & t) { t.layers[0].rope = false; });
    found([](model_traits & t) { t.layers[0].n_rot = 8; });
    found([](model_traits & t) { t.layers[0].rope_base = 5; });
    found([](model_traits & t) { t.layers[0].rope_scale = 5; });
    found([](model_traits & t) { t.layers[0].head_size_k = 8; });
    found([](model_traits & t) { t.layers[0].head_size_v = 8; });
    found([](model_traits & t) { t.layers[0].n_head_kv = 1; });
    found([](model_traits & t) { t.rope_type = 2; });
    found([](model_traits & t) { t.sliding_window = 2; });
    found([](model_traits & t) { t.rope_factors = { 1 }; });
    found([](model_traits & t) { t.yarn_beta_fast = 1; });
    found([](model_traits & t) { t.n_embd = 7; });
    found([](model_traits & t) { t.n_vocab = 7; });
}
