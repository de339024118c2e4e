// Quantised files against those that llama_model_quantize writes, byte for byte.
#include "check.h"
#include "gguf_metadata.h"
#include "quantization.h"
#include "quantize.h"
#include "quantize_reference.h"
#include "rewrite_parts.h"
#include "row_model.h"
#include "temp_folder.h"
#include "tensor_values.h"
#include "tiny_model.h"

#include <cmath>
#include <set>

using namespace overfill;
using namespace overfill::test;

namespace {

// Widths that every type can have. The slowest types take a second for a million values.
tiny_model wide_model(uint32_t n_layer = 1) {
    tiny_model model;
    model.n_layer = n_layer;
    model.n_embd = model.n_ff = 256;
    return model;
}

std::vector<std::string> all_types() {
    std::vector<std::string> names = { "copy" };
    std::string name;
    for (const char c : file_type_names() + ",") {
        if (c == ',') {
            names.push_back(name);
            name.clear();
        } else if (c != ' ') {
            name += c;
        }
    }
    return names;
}

}  // namespace

TEST("every type gives the file that llama.cpp gives, without and with an importance matrix, and llama.cpp reads it") {
    const temp_folder folder;
    const model_path model(wide_model());
    const std::string matrix = folder.file("m.imatrix.gguf");
    write_some_importance(matrix, model.str());
    const std::vector<float> before = logits_of(model.str(), logits_tokens);
    size_t n_compared = 0, n_refused = 0;
    for (const std::string & type : all_types())
        for (const bool weighted : { false, true }) {
            quantize_options options;
            options.model_path = model.str();
            options.out_path = folder.file("ours.gguf");
            options.type = type;
            options.importance_path = weighted ? matrix : "";
            options.n_threads = 2;
            if (!reference_quantize(options, folder.file("theirs.gguf"))) {
                CHECK(!weighted);
                n_refused++;
                CHECK_FAILURE(error_code::invalid_argument, quantize_now(options));
                continue;
            }
            const quantize_result made = quantize_now(options);
            n_compared++;
            // A file without a type stays without one; llama.cpp writes down its guess.
            const bool same = type == "copy" ? tensors_of({ options.out_path }) == tensors_of({ model.str() })
                                             : bytes_of(options.out_path) == bytes_of(folder.file("theirs.gguf"));
            report(same, __FILE__, __LINE__,
                   type + (weighted ? " with" : " without") + " importance gives other bytes");
            CHECK_EQUAL(made.paths.size(), (size_t) 1);
            static const std::set<std::string> without = { "copy", "f32",  "f16",   "bf16",  "q8_0",
                                                           "q1_0", "q2_0", "tq1_0", "tq2_0", "mxfp4_moe" };
            report((made.n_weighted > 0) == (weighted && without.count(type) == 0), __FILE__, __LINE__,
                   type + " quantises " + std::to_string(made.n_weighted) + " tensors by importance");
            const double difference = relative_difference(logits_of(options.out_path, logits_tokens), before);
            const bool exact = type == "copy" || type == "f32";
            report(exact ? difference == 0 : std::isfinite(difference), __FILE__, __LINE__,
                   type + " differs by " + std::to_string(difference));
            const double bits = 8.0 * (double) made.n_bytes_after / (double) made.n_params;
            if (type == "q8_0") CHECK(bits > 8.4 && bits < 8.8 && difference < 0.05);
            if (type == "q4_k_m") CHECK(bits > 4.5 && bits < 6.5 && difference < 0.5);
        }
    CHECK_EQUAL(n_compared, all_types().size() * 2 - n_refused);
    CHECK_EQUAL(n_refused, (size_t) 9);
}

TEST("types that go by the layer are llama.cpp's in a model of many layers") {
    const temp_folder folder;
    const model_path model(wide_model(16));
    const std::string matrix = folder.file("m.imatrix.gguf");
    write_some_importance(matrix, model.str());
    for (const char * type : { "q2_k", "q3_k_l", "q4_k_m", "q5_k_m", "q4_0", "iq4_nl" })
        for (const bool weighted : { false, true }) {
            quantize_options options;
            options.model_path = model.str();
            options.out_path = folder.file("ours.gguf");
            options.type = type;
            options.importance_path = weighted ? matrix : "";
            options.n_threads = 2;
            CHECK(reference_quantize(options, folder.file("theirs.gguf")));
            quantize_now(options);
            report(bytes_of(options.out_path) == bytes_of(folder.file("theirs.gguf")), __FILE__, __LINE__, type);
        }
}

TEST("options change the file as llama.cpp's do") {
    const temp_folder folder;
    const model_path model(wide_model(2));
    const std::string matrix = folder.file("m.imatrix.gguf");
    write_some_importance(matrix, model.str());
    const auto same = [&](const char * what, void (*edit)(quantize_options &)) {
        quantize_options options;
        options.model_path = model.str();
        options.out_path = folder.file("ours.gguf");
        options.type = "q4_k_m";
        edit(options);
        if (!options.importance_path.empty()) options.importance_path = matrix;
        CHECK(reference_quantize(options, folder.file("theirs.gguf")));
        const quantize_result made = quantize_now(options);
        report(bytes_of(options.out_path) == bytes_of(folder.file("theirs.gguf")), __FILE__, __LINE__, what);
        return made;
    };
    const auto type_in = [](const quantize_result & made, const std::string & name) {
        for (const auto & tensor : made.tensors)
            if (tensor.name == name) return std::string(ggml_type_name(tensor.after));
        return std::string("none");
    };
    quantize_result made = same("pure", [](quantize_options & o) { o.pure = true; });
    CHECK_EQUAL(type_in(made, "output.weight"), std::string("q4_K"));
    made = same("output type", [](quantize_options & o) { o.output_type = "q8_0"; });
    CHECK_EQUAL(type_in(made, "output.weight"), std::string("q8_0"));
    made = same("embedding type", [](quantize_options & o) { o.embedding_type = "bf16"; });
    CHECK_EQUAL(type_in(made, "token_embd.weight"), std::string("bf16"));
    made = same("output as it is", [](quantize_options & o) { o.keep_output = true; });
    CHECK_EQUAL(type_in(made, "output.weight"), std::string("f32"));
    made = same("tensor types", [](quantize_options & o) {
        o.tensor_types = { { "blk\\.0\\.ffn", "q6_k" }, { "ffn_down", "iq2_xs" }, { "attn_v", "f16" } };
        o.importance_path = "the matrix";
    });
    CHECK_EQUAL(type_in(made, "blk.0.ffn_down.weight"), std::string("q6_K"));
    CHECK_EQUAL(type_in(made, "blk.1.ffn_down.weight"), std::string("iq2_xs"));
    CHECK_EQUAL(type_in(made, "blk.1.attn_v.weight"), std::string("f16"));
    for (int type = 0; type < GGML_TYPE_COUNT; type++) {
        if (!ggml_type_name((ggml_type) type) || !can_be_quantized_to((ggml_type) type)) continue;
        static std::string name;
        name = ggml_type_name((ggml_type) type);
        made = same(name.c_str(), [](quantize_options & o) {
            o.tensor_types = { { "ffn_up", name } };
            o.importance_path = "the matrix";
        });
        CHECK_EQUAL(type_in(made, "blk.0.ffn_up.weight"), name);
    }
}

TEST("tensors whose rows are too short fall back to other types, and are told") {
    const temp_folder folder;
    tiny_model narrow;  // 64, 96
    const model_path model(narrow);
    for (const char * type : { "q4_k_m", "q6_k", "q3_k_s", "iq4_xs", "tq2_0", "q1_0", "q8_0" }) {
        quantize_options options;
        options.model_path = model.str();
        options.out_path = folder.file("ours.gguf");
        options.type = type;
        const bool made_theirs = reference_quantize(options, folder.file("theirs.gguf"));
        if (!made_theirs) {
            CHECK_FAILURE(error_code::model_unsupported, quantize_now(options));
            continue;
        }
        const quantize_result made = quantize_now(options);
        CHECK(bytes_of(options.out_path) == bytes_of(folder.file("theirs.gguf")));
        size_t n_fallen = 0;
        for (const auto & tensor : made.tensors) {
            n_fallen += tensor.wished.has_value();
            if (!tensor.wished) continue;
            CHECK(*tensor.wished != tensor.after && tensor.ne[0] % ggml_blck_size(*tensor.wished) != 0);
        }
        report((n_fallen > 0) == (std::string(type) != "q8_0"), __FILE__, __LINE__, type);
    }
}

TEST("a split model is read, and one is written, with the tensors of a whole one") {
    const temp_folder folder;
    const model_path model(wide_model());
    quantize_options options;
    options.model_path = model.str();
    options.out_path = folder.file("parts.gguf");
    options.type = "copy";
    options.max_part_bytes = 500000;
    const quantize_result parts = quantize_now(options);
    CHECK(parts.paths.size() > 3);
    const std::string ending = "-00001-of-0000" + std::to_string(parts.paths.size()) + ".gguf";
    CHECK_EQUAL(parts.paths[0], folder.file(("parts" + ending).c_str()));
    CHECK(logits_of(parts.paths[0], logits_tokens) == logits_of(model.str(), logits_tokens));

    quantize_options whole;
    whole.model_path = model.str();
    whole.out_path = folder.file("whole.gguf");
    whole.type = "q4_k_m";
    quantize_now(whole);
    whole.model_path = parts.paths[0];
    whole.out_path = folder.file("joined.gguf");
    quantize_now(whole);
    CHECK(bytes_of(folder.file("whole.gguf")) == bytes_of(folder.file("joined.gguf")));
    whole.max_part_bytes = 100000;
    whole.out_path = folder.file("small.gguf");
    const quantize_result small = quantize_now(whole);
    CHECK(small.paths.size() > 2);
    CHECK(logits_of(small.paths[0], logits_tokens) == logits_of(folder.file("whole.gguf"), logits_tokens));
    CHECK_EQUAL(gguf_metadata(small.paths[1]).number("split.no").value_or(-1), 1.0);
}
