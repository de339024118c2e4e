// The rewriter's tensors: copies, cuts, types.
#include "check.h"
#include "gguf_metadata.h"
#include "rewrite_parts.h"
#include "row_conversion.h"
#include "row_model.h"
#include "temp_folder.h"
#include "tensor_values.h"

#include <llama.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <random>

using namespace overfill;
using namespace overfill::test;

static row_model quantisable(ggml_type type) {
    row_model model;
    model.n_embd = 256;
    model.n_ff = 512;
    model.head_size = 64;
    model.type = type;
    return model;
}

TEST("keeping everything in the same types copies every tensor's bytes; the logits are equal to the bit") {
    for (const ggml_type type : { GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_BF16, GGML_TYPE_Q8_0, GGML_TYPE_Q4_0,
                                  GGML_TYPE_Q4_K, GGML_TYPE_Q6_K, GGML_TYPE_IQ4_XS }) {
        const temp_folder folder;
        const std::string from = folder.file("a.gguf"), to = folder.file("b.gguf");
        write_row_model(quantisable(type), from);
        rewrite_options options;
        options.out_path = to;
        options.type = "same";
        options.n_threads = 2;
        const model_shape shape = parent_model(from).shape();
        const rewrite_result result = rewrite_now(from, keep_all(shape), counts_of(shape), options);
        CHECK(tensors_of({ to }) == tensors_of({ from }));
        CHECK(logits_of(to, logits_tokens) == logits_of(from, logits_tokens));
        CHECK_EQUAL(result.n_file_bytes, (uint64_t) std::filesystem::file_size(to));
        CHECK_EQUAL(folder.n_files(), (size_t) 2);
    }
}

// The independent reference: which of the parent's numbers belongs at a place, by the tensor's name alone.
struct plain_cut {
    const model_shape & shape;
    const kept_parts & kept;
    const architecture & row;

    // The parent's index of channel i of an axis called by a letter, in our layer.
    uint32_t at(char axis, uint32_t layer, uint32_t i) const {
        const uint32_t hs = shape.head_size_k, n_ff = (uint32_t) (kept.ffn.empty() ? 0 : kept.ffn[0].size());
        const uint32_t n_q = (uint32_t) kept.heads[layer].size() * hs,
                       n_kv = (uint32_t) kept.kv_heads[layer].size() * hs;
        switch (axis) {
        case 'h': return kept.hidden[i];
        case 'f': return kept.ffn[layer][i];
        case 'g': return i < n_ff ? kept.ffn[layer][i] : shape.n_ff + kept.ffn[layer][i - n_ff];
        case 'q': return kept.heads[layer][i / hs] * hs + i % hs;
        case 'k': return kept.kv_heads[layer][i / hs] * hs + i % hs;
        case 'a':
            if (i < n_q) return at('q', layer, i);
            if (i < n_q + n_kv) return shape.n_head * hs + at('k', layer, i - n_q);
            return (shape.n_head + shape.n_head_kv) * hs + at('k', layer, i - n_q - n_kv);
        default: return i;
        }
    }

    // Letters of both axes, columns first.
    std::string axes(const std::string & base) const {
        if (base == "token_embd.weight" || base == "output.weight") return "h.";
        if (base.find("q_norm") != std::string::npos) return row.qk == qk_norm::all_heads ? "q." : "..";
        if (base.find("k_norm") != std::string::npos) return row.qk == qk_norm::all_heads ? "k." : "..";
        if (base.find("norm") != std::string::npos) return "h.";
        if (base == "attn_q.weight") return "hq";
        if (base == "attn_k.weight" || base == "attn_v.weight") return "hk";
        if (base == "attn_qkv.weight") return "ha";
        if (base == "attn_q.bias") return "q.";
        if (base == "attn_k.bias" || base == "attn_v.bias") return "k.";
        if (base == "attn_qkv.bias") return "a.";
        if (base == "attn_output.weight") return "qh";
        if (base == "ffn_up.weight" && row.fused_gate_up) return "hg";
        if (base == "ffn_gate.weight" || base == "ffn_up.weight") return "hf";
        if (base == "ffn_down.weight") return "fh";
        if (base == "ffn_gate.bias" || base == "ffn_up.bias") return "f.";
        if (base == "attn_output.bias" || base == "ffn_down.bias") return "h.";
        return "..";
    }
};

static void check_plain_cut(const row_model & model, const kept_counts & counts, uint32_t seed) {
    const temp_folder folder;
    const std::string from = folder.file("a.gguf"), to = folder.file("b.gguf");
    write_row_model(model, from);
    const model_shape shape = parent_model(from).shape();
    const kept_parts kept = drawn_parts(shape, counts, seed);
    rewrite_options options;
    options.out_path = to;
    options.type = "f32";
    options.compensate = false;
    options.n_threads = 2;
    rewrite_now(from, kept, counts, options);

    const tensor_values before = tensors_of({ from }), after = tensors_of({ to });
    const plain_cut plain{ shape, kept, *find_architecture(model.architecture) };
    size_t n_wrong = 0, n_seen = 0;
    for (const auto & [name, tensor] : after) {
        int layer = -1, n = 0;
        std::sscanf(name.c_str(), "blk.%d.%n", &layer, &n);
        const std::string base = name.substr((size_t) n), axes = plain.axes(base);
        const std::string source = layer < 0 ? name : "blk." + std::to_string(kept.layers[(size_t) layer]) + "." + base;
        const tensor_value & old = before.at(source);
        const std::vector<float> expected = old.floats(), actual = tensor.floats();
        const uint32_t il = layer < 0 ? 0 : (uint32_t) layer;
        for (int64_t r = 0; r < tensor.ne1; r++)
            for (int64_t c = 0; c < tensor.ne0; c++, n_seen++)
                n_wrong += actual[(size_t) (r * tensor.ne0 + c)] !=
                           expected[(size_t) (plain.at(axes[1], il, (uint32_t) r) * old.ne0 +
                                              plain.at(axes[0], il, (uint32_t) c))];
        CHECK(tensor.type == GGML_TYPE_F32);
    }
    CHECK_EQUAL(n_wrong, (size_t) 0);
    CHECK(n_seen > 300);
    size_t n_expected = 0;
    for (const auto & [name, tensor] : before) {
        int layer = -1;
        std::sscanf(name.c_str(), "blk.%d.", &layer);
        n_expected += layer < 0 || std::count(kept.layers.begin(), kept.layers.end(), (uint32_t) layer) > 0;
    }
    CHECK_EQUAL(after.size(), n_expected);
    CHECK(!logits_of(to, logits_tokens).empty());
}

TEST("a cut takes the rows and columns that plain loops take") {
    row_model model;
    model.n_head = 6;
    model.n_head_kv = 3;
    model.biases = true;
    model.rope_freqs = true;
    check_plain_cut(model, { 41, 57, 6, 3, 3 }, 1);
    check_plain_cut(model, { 64, 57, 3, 3, 2 }, 2);
    check_plain_cut(model, { 50, 96, 4, 2, 3 }, 3);
    check_plain_cut(model, { 1, 1, 1, 1, 1 }, 4);
    model.fused_qkv = true;
    check_plain_cut(model, { 41, 57, 2, 2, 2 }, 5);
    model.fused_qkv = false;
    model.type = GGML_TYPE_F16;
    check_plain_cut(model, { 33, 64, 4, 2, 2 }, 6);
    model.type = GGML_TYPE_Q8_0;
    model.head_size = 32;
    check_plain_cut(model, { 33, 64, 4, 2, 2 }, 7);
    row_model other;
    other.architecture = "qwen3";
    check_plain_cut(other, { 40, 33, 2, 1, 2 }, 8);
    other.architecture = "gemma2";  // nothing is scaled as long as the width stays
    check_plain_cut(other, { 64, 33, 2, 2, 3 }, 9);
    other.architecture = "glm4";
    check_plain_cut(other, { 40, 33, 2, 1, 2 }, 10);
    other.architecture = "olmo2";
    other.n_head_kv = 4;
    check_plain_cut(other, { 32, 33, 2, 2, 2 }, 11);
    other.architecture = "phi3";
    other.fused_qkv = true;
    check_plain_cut(other, { 32, 33, 2, 2, 2 }, 12);
}

TEST("a quantised model has the bytes that llama.cpp makes of the same numbers") {
    const temp_folder folder;
    const std::string from = folder.file("a.gguf"), plain = folder.file("f32.gguf"), own = folder.file("own.gguf"),
                      theirs = folder.file("theirs.gguf");
    row_model model = quantisable(GGML_TYPE_F32);
    model.n_layer = 10;
    model.n_embd = 512;
    model.n_vocab = 400;
    for (const bool tied : { false, true }) {
        model.tied = tied;
        write_row_model(model, from);
        const model_shape shape = parent_model(from).shape();
        // 288 is a multiple of 32, but of no larger block.
        const kept_counts counts = { 256, tied ? 288u : 256u, 4, 2, 9 };
        const kept_parts kept = drawn_parts(shape, counts, 1);
        rewrite_options options;
        options.type = "f32";
        options.out_path = plain;
        options.n_threads = 2;
        rewrite_now(from, kept, counts, options);
        options.out_path = own;
        using named = std::pair<const char *, llama_ftype>;
        for (const named & type : { named("q8_0", LLAMA_FTYPE_MOSTLY_Q8_0), named("q4_k_m", LLAMA_FTYPE_MOSTLY_Q4_K_M),
                                    named("q3_k_l", LLAMA_FTYPE_MOSTLY_Q3_K_L), named("q4_0", LLAMA_FTYPE_MOSTLY_Q4_0),
                                    named("q5_k_s", LLAMA_FTYPE_MOSTLY_Q5_K_S), named("q6_k", LLAMA_FTYPE_MOSTLY_Q6_K),
                                    named("iq4_xs", LLAMA_FTYPE_MOSTLY_IQ4_XS), named("f16", LLAMA_FTYPE_MOSTLY_F16),
                                    named("bf16", LLAMA_FTYPE_MOSTLY_BF16) }) {
            options.type = type.first;
            const rewrite_result result = rewrite_now(from, kept, counts, options);
            llama_model_quantize_params params = llama_model_quantize_default_params();
            params.ftype = type.second;
            params.nthread = 2;
            CHECK_EQUAL(llama_model_quantize(plain.c_str(), theirs.c_str(), &params), 0u);
            const tensor_values a = tensors_of({ own }), b = tensors_of({ theirs });
            CHECK_EQUAL(a.size(), b.size());
            for (const auto & [name, tensor] : a)
                if (!(tensor == b.at(name)))
                    report(false, __FILE__, __LINE__, std::string(type.first) + " makes another " + name);
            const gguf_metadata meta(own), expected(theirs);
            CHECK_EQUAL(meta.number("general.file_type").value_or(-1),
                        expected.number("general.file_type").value_or(-2));
        }
    }
}

TEST("the processor's conversion to f16 and back gives ggml's bytes") {
    const row_conversion half = conversion_of(GGML_TYPE_F16);
    std::mt19937 random(1);
    const size_t n = 1 << 22;
    std::vector<float> values(n), floats(n), expected_floats(n);
    for (float & value : values) {
        const uint32_t bits = (uint32_t) random();
        std::memcpy(&value, &bits, sizeof value);
        // What f16 can hold, and some more; no NaN, which is refused.
        if (!std::isfinite(value) || std::fabs(value) > 1e6f)
            value = std::ldexp(value == value ? 1.7f : -1.3f, bits % 40) * 1e-9f;
    }
    std::vector<ggml_fp16_t> halves(n), expected(n);
    half.from_float(values.data(), halves.data(), (int64_t) n);
    ggml_fp32_to_fp16_row(values.data(), expected.data(), (int64_t) n);
    CHECK(halves == expected);
    half.to_float(halves.data(), floats.data(), (int64_t) n);
    ggml_fp16_to_fp32_row(halves.data(), expected_floats.data(), (int64_t) n);
    CHECK(floats == expected_floats);
}

TEST("a plan says what is written, exactly") {
    const temp_folder folder;
    const std::string from = folder.file("a.gguf"), to = folder.file("b.gguf");
    row_model model = quantisable(GGML_TYPE_F16);
    model.biases = true;
    write_row_model(model, from);
    const parent_model parent(from);
    CHECK_EQUAL(parent.n_bytes(), [&] {
        uint64_t n = 0;
        for (const auto & [name, tensor] : tensors_of({ from })) n += tensor.bytes.size();
        return n;
    }());
    for (const char * type : { "f32", "f16", "bf16", "same", "q8_0", "q4_k_m" }) {
        const kept_counts counts = { 224, 352, 2, 2, 2 };
        rewrite_options options;
        options.type = type;
        options.out_path = to;
        const rewrite_plan plan = plan_rewrite(parent, counts, options);
        const rewrite_result result = rewrite_now(from, drawn_parts(parent.shape(), counts, 3), counts, options);
        const tensor_values written = tensors_of({ to });
        CHECK_EQUAL(written.size(), plan.tensors.size());
        uint64_t n_bytes = 0, n_params = 0;
        for (const planned_tensor & tensor : plan.tensors) {
            const tensor_value & value = written.at(tensor.name);
            CHECK(value.type == tensor.type && value.ne0 == tensor.ne[0] && value.ne1 == tensor.ne[1]);
            CHECK_EQUAL(value.bytes.size(), tensor.n_bytes);
            n_bytes += value.bytes.size();
            n_params += (uint64_t) (value.ne0 * value.ne1);
        }
        CHECK_EQUAL(plan.n_bytes, n_bytes);
        CHECK_EQUAL(plan.n_params, n_params);
        CHECK_EQUAL(result.plan.n_bytes, plan.n_bytes);
        CHECK_EQUAL(plan.architecture, std::string("llama"));
    }
}
