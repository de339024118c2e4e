// What cannot be quantised is refused before anything is written, and llama.cpp never gets to abort the process.
#include "check.h"
#include "gguf_metadata.h"
#include "importance_matrix.h"
#include "quantize_reference.h"
#include "temp_folder.h"
#include "tiny_model.h"

#include <cmath>
#include <cstring>
#include <filesystem>
#include <functional>
#include <limits>
#include <random>

using namespace overfill;
using namespace overfill::test;

namespace {

struct quantize_case {
    quantize_case() : model(shape()) {
        options.model_path = model.str();
        options.out_path = folder.file("out.gguf");
        options.type = "q4_k_m";
    }
    static tiny_model shape() {
        tiny_model wide;
        wide.n_layer = 1;
        wide.n_embd = wide.n_ff = 256;
        return wide;
    }

    std::string refused(error_code code) {
        const size_t n_files = folder.n_files();
        const std::string message = CHECK_FAILURE(code, quantize_now(options));
        CHECK_EQUAL(folder.n_files(), n_files);
        return message;
    }

    temp_folder folder;
    model_path model;
    quantize_options options;
};

bool has(const std::string & text, const char * part) { return text.find(part) != std::string::npos; }

// The model with some of its first bytes of a tensor's data changed.
void change_values(const std::string & path, const std::string & to, const std::vector<float> & values) {
    const gguf_metadata metadata(path);
    const int64_t id = gguf_find_tensor(metadata.get(), "blk.0.ffn_up.weight");
    std::string bytes = bytes_of(path);
    bytes.replace(gguf_get_data_offset(metadata.get()) + gguf_get_tensor_offset(metadata.get(), id),
                  values.size() * sizeof(float), reinterpret_cast<const char *>(values.data()),
                  values.size() * sizeof(float));
    put_bytes(to, bytes);
}

}  // namespace

TEST("unknown types, and types that a shape cannot have, are refused") {
    quantize_case test;
    for (const char * type : { "q4_x", "", "Q4_K_M", "deprecated" }) {
        test.options.type = type;
        CHECK(has(test.refused(error_code::invalid_argument), "options.type"));
    }
    test.options.type = "q4_k_m";
    for (const char * type : { "q8_1", "i32", "deprecated", "f64", "nothing" }) {
        test.options.output_type = type;
        CHECK(has(test.refused(error_code::invalid_argument), "options.outputTensorType"));
    }
    test.options.output_type = "";
    test.options.tensor_types = { { "ffn", "q8_k" } };
    CHECK(has(test.refused(error_code::invalid_argument), "options.tensorTypes"));

    // llama.cpp would assert that rows of 64 are multiples of 256.
    const model_path narrow(tiny_model{});
    quantize_options options = test.options;
    options.tensor_types = {};
    options.model_path = narrow.str();
    options.output_type = "q4_k";
    CHECK(has(CHECK_FAILURE(error_code::invalid_argument, quantize_now(options)), "multiples of 256"));
    options.output_type = "";
    options.embedding_type = "iq4_xs";
    CHECK(has(CHECK_FAILURE(error_code::invalid_argument, quantize_now(options)), "token_embd.weight"));
}

TEST("patterns that are none, or match nothing, are refused") {
    quantize_case test;
    for (const std::string & pattern : { std::string("("), std::string("[a"), std::string("no_such_tensor"),
                                         std::string("blk\\.7\\."), std::string(100000, '(') }) {
        test.options.tensor_types = { { "ffn", "q8_0" }, { pattern, "q8_0" } };
        CHECK(has(test.refused(error_code::invalid_argument), "options.tensorTypes"));
    }
}

TEST("a pattern that could be searched for without end is searched for in no time") {
    quantize_case test;
    // Every way to divide a name would be tried.
    test.options.tensor_types = { { "^(([a-z0-9._]+)+)+#", "q8_0" } };
    CHECK(has(test.refused(error_code::invalid_argument), "no tensor"));
    test.options.tensor_types = { { "^(([a-z0-9._]+)+)+#|ffn_(down|up)", "q8_0" }, { "ffn", "q5_k" } };
    quantize_now(test.options);
    const std::string written = bytes_of(test.options.out_path);
    test.options.tensor_types = { { "ffn_down", "q8_0" }, { "ffn_up", "q8_0" }, { "ffn", "q5_k" } };
    quantize_now(test.options);
    CHECK(bytes_of(test.options.out_path) == written);
    const gguf_metadata metadata(test.options.out_path);
    const auto type_of = [&](const char * name) {
        return gguf_get_tensor_type(metadata.get(), gguf_find_tensor(metadata.get(), name));
    };
    CHECK_EQUAL(type_of("blk.0.ffn_down.weight"), GGML_TYPE_Q8_0);
    CHECK_EQUAL(type_of("blk.0.ffn_gate.weight"), GGML_TYPE_Q5_K);
}

TEST("types that need an importance matrix are refused without one, whatever asks for them") {
    quantize_case test;
    for (const char * type : { "iq1_s", "iq1_m", "iq2_xxs", "iq2_xs", "iq2_s", "iq2_m", "iq3_xxs", "q2_k_s" }) {
        test.options.type = type;
        CHECK(has(test.refused(error_code::invalid_argument), "options.importance"));
    }
    test.options.type = "q4_k_m";
    test.options.tensor_types = { { "attn_k", "iq2_xs" } };
    CHECK(has(test.refused(error_code::invalid_argument), "options.importance"));
    // llama.cpp does not ask for one of the embeddings, and asserts later that there is one.
    test.options.tensor_types = {};
    test.options.embedding_type = "iq2_xs";
    CHECK(has(test.refused(error_code::invalid_argument), "options.importance"));
    const std::string matrix = test.folder.file("m.gguf");
    write_some_importance(matrix, test.model.str());
    test.options.importance_path = matrix;
    CHECK(has(test.refused(error_code::importance_mismatch), "token_embd.weight"));
    test.options.embedding_type = "";
    test.options.type = "iq2_xs";
    test.options.pure = true;
    CHECK(has(test.refused(error_code::importance_mismatch), "output.weight"));
}

TEST("an importance matrix of another model is refused") {
    quantize_case test;
    const std::string path = test.folder.file("m.gguf");
    write_some_importance(path, test.model.str());
    const importance_matrix whole = read_importance_matrix(path);
    test.options.importance_path = path;
    const auto with = [&](const std::function<void(importance_matrix &)> & edit) {
        importance_matrix changed = whole;
        edit(changed);
        write_importance_matrix(path, changed);
        return test.refused(error_code::importance_mismatch);
    };
    CHECK(has(with([](importance_matrix & m) { m.entries["blk.0.attn_q.weight"].sums.resize(128); }), "attn_q"));
    CHECK(has(with([](importance_matrix & m) {
                  const importance_entry one = m.entries.begin()->second;
                  m.entries = { { "blk.9.attn_q.weight", one } };
              }),
              "blk.9"));
    test.options.type = "iq2_xs";
    CHECK(has(with([](importance_matrix & m) { m.entries.erase("blk.0.attn_q.weight"); }), "attn_q"));
    const model_path small(tiny_model{});
    test.options.importance_path = small.str();
    test.refused(error_code::importance_invalid);
    test.options.importance_path = test.folder.file("none.gguf");
    test.refused(error_code::file_read_failed);
}

TEST("files that are read are not written over") {
    quantize_case test;
    const std::string before = bytes_of(test.model.str());
    test.options.out_path = test.model.str();
    CHECK(has(test.refused(error_code::invalid_argument), "options.out"));
    CHECK(bytes_of(test.model.str()) == before);
    const std::string matrix = test.folder.file("m.gguf");
    write_some_importance(matrix, test.model.str());
    test.options.out_path = test.options.importance_path = matrix;
    CHECK(has(test.refused(error_code::invalid_argument), "options.out"));

    // And none of the parts.
    quantize_options options;
    options.model_path = test.model.str();
    options.type = "copy";
    options.out_path = test.folder.file("parts.gguf");
    options.max_part_bytes = 400000;
    const std::vector<std::string> parts = quantize_now(options).paths;
    CHECK(parts.size() > 2);
    options.model_path = parts[0];
    CHECK(has(CHECK_FAILURE(error_code::invalid_argument, quantize_now(options)), "options.out"));
    options.out_path = parts[1];
    options.max_part_bytes = 0;
    CHECK(has(CHECK_FAILURE(error_code::invalid_argument, quantize_now(options)), "options.out"));
    options.out_path = test.folder.file("no/folder/out.gguf");
    CHECK_FAILURE(error_code::file_write_failed, quantize_now(options));
}

TEST("later parts of a model are looked at as the first one is") {
    quantize_case test;
    quantize_options splits = test.options;
    splits.type = "copy";
    splits.out_path = test.folder.file("parts.gguf");
    splits.max_part_bytes = 400000;
    const std::vector<std::string> parts = quantize_now(splits).paths;
    test.options.model_path = parts[0];
    test.options.out_path = test.folder.file("out.gguf");
    CHECK(parts.size() > 2);
    for (size_t part = 1; part < parts.size(); part++) {
        const std::string whole = bytes_of(parts[part]);
        const gguf_metadata metadata(parts[part]);
        const std::string name = gguf_get_tensor_name(metadata.get(), 0);
        // Behind the name: the number of dimensions, the dimensions, the type.
        const size_t at = whole.find(name) + name.size();
        uint32_t n_dims = 0;
        std::memcpy(&n_dims, whole.data() + at, sizeof(n_dims));
        const auto with = [&](size_t offset, auto value) {
            std::string changed = whole;
            std::memcpy(changed.data() + at + offset, &value, sizeof(value));
            put_bytes(parts[part], changed);
            test.refused(error_code::model_invalid);
            put_bytes(parts[part], whole);
        };
        with(4 + 8 * n_dims, (uint32_t) GGML_TYPE_I32);
        with(4, (uint64_t) 0);
    }
    quantize_now(test.options);
}

TEST("what is quantised already is quantised again only with permission") {
    quantize_case test;
    test.options.type = "q8_0";
    test.options.out_path = test.folder.file("q8.gguf");
    quantize_now(test.options);
    test.options.model_path = test.options.out_path;
    test.options.out_path = test.folder.file("out.gguf");
    test.options.type = "q4_k_m";
    CHECK(has(test.refused(error_code::invalid_argument), "options.allowRequantize"));
    // The same type again changes nothing, and so needs none.
    test.options.type = "q8_0";
    quantize_now(test.options);
    CHECK(bytes_of(test.folder.file("out.gguf")) == bytes_of(test.folder.file("q8.gguf")));
    test.options.type = "q4_k_m";
    test.options.allow_requantize = true;
    CHECK(reference_quantize(test.options, test.folder.file("theirs.gguf")));
    quantize_now(test.options);
    CHECK(bytes_of(test.folder.file("out.gguf")) == bytes_of(test.folder.file("theirs.gguf")));
}

TEST("values that are no numbers, or too large for a type, are refused and leave no file") {
    quantize_case test;
    const std::string bad = test.folder.file("bad.gguf"), matrix = test.folder.file("m.gguf");
    write_some_importance(matrix, test.model.str());
    test.options.model_path = bad;
    const float infinite = std::numeric_limits<float>::infinity();
    for (const float value : { NAN, infinite, -infinite }) {
        change_values(test.model.str(), bad, { 0.1f, value });
        for (const char * type : { "q4_k_m", "q8_0", "f16", "copy" }) {
            test.options.type = type;
            CHECK(has(test.refused(error_code::model_invalid), "blk.0.ffn_up.weight"));
        }
    }
    for (const float value : { 1e7f, 1e20f, 3e38f }) {
        change_values(test.model.str(), bad, { 0.1f, value, -value });
        test.options.importance_path = matrix;
        for (const char * type : { "iq2_xs", "iq1_s", "iq3_s", "f16" }) {
            test.options.type = type;
            CHECK(has(test.refused(error_code::model_invalid), "blk.0.ffn_up.weight"));
        }
    }
}

TEST("importance of any size gives a file: nothing, next to nothing, and the largest that is read") {
    quantize_case test;
    const std::string path = test.folder.file("m.gguf");
    write_some_importance(path, test.model.str());
    const importance_matrix whole = read_importance_matrix(path);
    test.options.importance_path = path;
    std::mt19937 random(1);
    for (const double scale : { 0.0, 1e-42, 1e-20, 9e17 })
        for (const bool mixed : { false, true }) {
            importance_matrix changed = whole;
            for (auto & [name, entry] : changed.entries)
                for (double & sum : entry.sums)
                    sum = mixed && random() % 2 ? sum : scale * std::min(100.0, sum) * entry.counts[0];
            write_importance_matrix(path, changed);
            for (const char * type : { "iq1_s", "iq1_m", "iq2_xxs", "iq2_s", "iq3_xxs", "iq4_xs", "q2_k_s", "q4_0" }) {
                test.options.type = type;
                CHECK(quantize_now(test.options).n_weighted > 0);
            }
        }
    importance_matrix changed = whole;
    changed.entries.begin()->second.sums[0] = 1e25;
    write_importance_matrix(path, changed);
    test.refused(error_code::importance_invalid);
}

TEST("a damaged model is an error with a code, or is quantised") {
    quantize_case test;
    const model_path small(tiny_model{});
    const std::string whole = bytes_of(small.str()), bad = test.folder.file("bad.gguf");
    test.options.model_path = bad;
    test.options.type = "q4_0";
    std::mt19937 random(5);
    size_t n_refused = 0;
    for (size_t i = 0; i < 400; i++) {
        std::string changed = whole;
        if (i % 4 == 0)
            changed.resize(random() % whole.size());
        else
            changed[random() % 9000] ^= (char) (1 + random() % 255);
        put_bytes(bad, changed);
        try {
            quantize_now(test.options);
        } catch (const failure & error) {
            n_refused++;
            CHECK(error.code() != error_code::internal);
        }
    }
    CHECK(n_refused > 100);
}

TEST("an abort ends the work at once and leaves no file") {
    quantize_case test;
    const size_t n_files = test.folder.n_files();
    for (const double at : { -1.0, 0.0, 0.3, 0.7, 1.0 }) {
        std::atomic<bool> stop{ at < 0 };
        double last = 0;
        CHECK_FAILURE(error_code::aborted, quantize(
                                               test.options,
                                               [&](const quantize_progress & progress) {
                                                   CHECK(progress.fraction >= last && progress.fraction <= 1);
                                                   last = progress.fraction;
                                                   if (progress.fraction >= at) stop = true;
                                               },
                                               stop));
        CHECK_EQUAL(test.folder.n_files(), n_files);
    }
}
