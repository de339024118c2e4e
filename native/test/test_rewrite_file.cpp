// The rewriter's files: metadata, parts, and how fast they are written.
#include "check.h"
#include "gguf_metadata.h"
#include "rewrite_parts.h"
#include "row_model.h"
#include "temp_folder.h"
#include "tensor_values.h"

#include <chrono>
#include <cmath>
#include <cstdio>
#include <ctime>

using namespace overfill;
using namespace overfill::test;

TEST("the metadata says what the model is, and where it comes from") {
    const temp_folder folder;
    const std::string from = folder.file("a.gguf"), to = folder.file("b.gguf");
    row_model model;
    model.architecture = "minicpm";
    model.explicit_head_size = false;
    write_row_model(model, from);
    const kept_counts counts = { 32, 48, 2, 1, 2 };
    const kept_parts kept = drawn_parts(parent_model(from).shape(), counts, 5);
    rewrite_options options;
    options.out_path = to;
    options.notes = { { "overfill.prune.text", "wiki.txt" } };
    rewrite_now(from, kept, counts, options);
    const gguf_metadata meta(to);
    const auto number = [&](const std::string & key) { return meta.number(key).value_or(-1); };
    CHECK_EQUAL(number("minicpm.embedding_length"), 32.0);
    CHECK_EQUAL(number("minicpm.feed_forward_length"), 48.0);
    CHECK_EQUAL(number("minicpm.block_count"), 2.0);
    CHECK_EQUAL(number("minicpm.attention.head_count"), 2.0);
    CHECK_EQUAL(number("minicpm.attention.head_count_kv"), 1.0);
    CHECK_EQUAL(number("minicpm.attention.key_length"), 16.0);
    CHECK_EQUAL(number("minicpm.attention.value_length"), 16.0);
    CHECK_EQUAL(number("minicpm.rope.dimension_count"), 16.0);
    CHECK_EQUAL(number("minicpm.embedding_scale"), 12.0);
    CHECK_EQUAL((float) number("minicpm.residual_scale"), 1.4f / std::sqrt(3.0f));
    CHECK_EQUAL(number("minicpm.logit_scale"), 4.0);
    CHECK_EQUAL((float) number("minicpm.attention.layer_norm_rms_epsilon"), 2e-5f);
    CHECK_EQUAL(number("minicpm.rope.freq_base"), 10000.0);
    CHECK_EQUAL(number("general.file_type"), 1.0);
    CHECK_EQUAL(meta.text("general.name").value_or(""), std::string("tiny pruned"));
    CHECK_EQUAL(meta.text("general.size_label").value_or(""), std::string("35K"));
    CHECK_EQUAL(number("overfill.prune.version"), 1.0);
    CHECK(meta.flag("overfill.prune.compensated").value_or(false));
    CHECK_EQUAL(meta.text("overfill.parent.name").value_or(""), std::string("tiny"));
    CHECK_EQUAL(meta.text("overfill.parent.fingerprint").value_or("").substr(0, 8), std::string("minicpm-"));
    CHECK_EQUAL(meta.text("overfill.prune.text").value_or(""), std::string("wiki.txt"));
    const auto indices = [&](const char * key) { return meta.numbers(key); };
    CHECK(indices("overfill.prune.hidden") == std::vector<double>(kept.hidden.begin(), kept.hidden.end()));
    CHECK(indices("overfill.layer_map") == std::vector<double>(kept.layers.begin(), kept.layers.end()));
    CHECK(indices("overfill.prune.layers") == indices("overfill.layer_map"));
    CHECK_EQUAL(indices("overfill.prune.ffn").size(), (size_t) 96);
    CHECK_EQUAL(indices("overfill.prune.heads").size(), (size_t) 4);
    CHECK_EQUAL(indices("overfill.prune.kv_heads").size(), (size_t) 2);
    CHECK_EQUAL(meta.array_length("tokenizer.ggml.tokens"), (int64_t) 300);
    CHECK(parent_model(to).is_pruned());
    CHECK(!parent_model(from).is_pruned());

    // A padded child of a pruned model is still its parent's.
    const std::string wide = folder.file("c.gguf");
    const model_shape small = parent_model(to).shape();
    kept_counts larger = counts_of(small);
    larger.n_embd = 64;
    options.out_path = wide;
    options.notes = {};
    rewrite_now(to, keep_all(small), larger, options);
    const gguf_metadata padded(wide);
    CHECK_EQUAL(padded.text("overfill.parent.fingerprint").value_or(""),
                meta.text("overfill.parent.fingerprint").value_or("-"));
    CHECK_EQUAL(padded.number("overfill.pad.hidden").value_or(0), 32.0);
    CHECK_EQUAL(padded.array_length("overfill.layer_map"), (int64_t) 2);
    CHECK(relative_difference(logits_of(wide, logits_tokens), logits_of(to, logits_tokens)) < 1e-3);

    // And one padded again has the same real width.
    larger.n_embd = 96;
    options.out_path = folder.file("d.gguf");
    rewrite_now(wide, keep_all(parent_model(wide).shape()), larger, options);
    CHECK_EQUAL(gguf_metadata(options.out_path).number("overfill.pad.hidden").value_or(0), 32.0);
    CHECK(relative_difference(logits_of(options.out_path, logits_tokens), logits_of(to, logits_tokens)) < 1e-3);
}

TEST("a split parent is read, and a split model is written") {
    const temp_folder folder;
    const std::string whole = folder.file("whole.gguf");
    row_model model;
    write_row_model(model, whole);
    const std::vector<std::string> parts = write_split_row_model(model, folder.file("parent"), 7);
    CHECK_EQUAL(parts.size(), (size_t) 5);
    const parent_model parent(parts[0]);
    CHECK_EQUAL(parent.tensors().size(), tensors_of({ whole }).size());
    const kept_counts counts = { 48, 64, 2, 2, 2 };
    const kept_parts kept = drawn_parts(parent.shape(), counts, 1);
    rewrite_options options;
    options.out_path = folder.file("from-parts.gguf");
    rewrite_now(parts[0], kept, counts, options);
    options.out_path = folder.file("from-whole.gguf");
    const rewrite_result one = rewrite_now(whole, kept, counts, options);
    CHECK(tensors_of({ folder.file("from-parts.gguf") }) == tensors_of(one.paths));
    CHECK(!gguf_metadata(folder.file("from-parts.gguf")).has("split.count"));

    options.out_path = folder.file("child.gguf");
    options.max_part_bytes = 20000;
    const rewrite_result many = rewrite_now(parts[0], kept, counts, options);
    CHECK(many.paths.size() > 3);
    CHECK(many.paths[0].find("child-00001-of-0000") != std::string::npos);
    CHECK(tensors_of(many.paths) == tensors_of(one.paths));
    CHECK(logits_of(many.paths[0], logits_tokens) == logits_of(one.paths[0], logits_tokens));
    CHECK_EQUAL(parent_model(many.paths[0]).tensors().size(), many.plan.tensors.size());
    uint64_t n_bytes = 0;
    for (const std::string & path : many.paths) n_bytes += std::filesystem::file_size(path);
    CHECK_EQUAL(many.n_file_bytes, n_bytes);
}

TEST("the speed at which a model of 150 MB is rewritten, beside that of a copy: printed, not checked") {
    const temp_folder folder;
    const std::string from = folder.file("a.gguf"), to = folder.file("b.gguf"), copy = folder.file("c.gguf");
    row_model model;
    model.n_embd = 1024;
    model.n_ff = 4096;
    model.n_layer = 4;
    model.n_head = 16;
    model.n_head_kv = 8;
    model.head_size = 64;
    model.n_vocab = 4000;
    model.tied = true;
    using clock = std::chrono::steady_clock;
    const auto seconds = [](clock::time_point begin) {
        return std::chrono::duration<double>(clock::now() - begin).count();
    };
    for (const ggml_type type : { GGML_TYPE_F16, GGML_TYPE_BF16, GGML_TYPE_Q8_0 }) {
        model.type = type;
        write_row_model(model, from);
        const model_shape shape = parent_model(from).shape();
        const kept_counts counts = { 768, 3072, 16, 8, 4 };
        for (const char * out : { "same", "f16", "q8_0" }) {
            rewrite_options options;
            options.out_path = to;
            options.type = out;
            options.n_threads = 2;
            const std::clock_t cpu_begin = std::clock();
            const rewrite_result result = rewrite_now(from, drawn_parts(shape, counts, 1), counts, options);
            const double cpu = (double) (std::clock() - cpu_begin) / CLOCKS_PER_SEC;
            const auto begin = clock::now();
            const std::string bytes = bytes_of(to);
            std::FILE * file = std::fopen(copy.c_str(), "wb");
            std::fwrite(bytes.data(), 1, bytes.size(), file);
            std::fclose(file);
            const double megabytes = (double) result.n_file_bytes / 1e6, copied = seconds(begin);
            std::printf(
                "  %5s to %6s: %4.0f MB at %5.0f MB/s (%5.0f MB a second of CPU); a copy in memory %5.0f MB/s\n",
                ggml_type_name(type), out, megabytes, megabytes / result.milliseconds * 1e3, megabytes / cpu,
                megabytes / copied);
        }
    }
}
