// A trained model as a file: what was trained is there in the type asked for, all else as it was.
#include "cache_rows.h"
#include "check.h"
#include "gguf_metadata.h"
#include "model_export.h"
#include "quantization.h"
#include "temp_folder.h"
#include "tensor_values.h"
#include "token_reader.h"
#include "train_case.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#ifndef _WIN32
#include <csignal>
#include <sys/resource.h>
#endif

using namespace overfill;
using namespace overfill::test;

namespace {

const std::atomic<bool> never{ false };

// A model all of whose rows are multiples of 32, in this type.
variant wide(ggml_type type) {
    variant v = all_variants()[0];
    v.base.type = type;
    v.base.n_ff = 64;
    return v;
}

void change(parameter_set & parameters, uint32_t seed) {
    std::mt19937 random(seed);
    for (ggml_tensor * tensor : parameters.trained()) {
        std::vector<float> values = values_of(tensor);
        const std::vector<float> noise = random_values(values.size(), 0.05f, random);
        for (size_t i = 0; i < values.size(); i++) values[i] += noise[i];
        ggml_backend_tensor_set(tensor, values.data(), 0, values.size() * sizeof(float));
    }
}

double largest_difference(const std::vector<float> & a, const std::vector<float> & b) {
    CHECK_EQUAL(a.size(), b.size());
    double worst = 0;
    for (size_t i = 0; i < std::min(a.size(), b.size()); i++) worst = std::max(worst, (double) std::fabs(a[i] - b[i]));
    return worst;
}

std::vector<float> logits_of(const std::string & path, const std::vector<llama_token> & tokens) {
    const model_ptr model = load_model({ path, 0 }, load_depth::weights, [](float) { return true; });
    token_reader reader(model.get(), (uint32_t) tokens.size(), 1, never, { 512, false });
    const float * logits = reader.read_with_logits(tokens.data(), (uint32_t) tokens.size(), 0, 0);
    return { logits, logits + tokens.size() * (size_t) llama_vocab_n_tokens(reader.vocab()) };
}

}  // namespace

TEST("a model that nothing was done to comes out as it was, in every stored type") {
    const temp_folder folder;
    const std::string out = folder.file("out.gguf");
    for (const ggml_type type : { GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_BF16, GGML_TYPE_Q8_0, GGML_TYPE_Q4_0 }) {
        const variant_file file(wide(type));
        for (const bool trained : { false, true }) {
            if (trained && type == GGML_TYPE_Q4_0) continue;  // made again from its values it differs
            const student s(file.str(), 1, [&](const std::string &) { return trained; });
            const uint64_t n_bytes = export_model(file.str(), s.parameters, "same", {}, out, never);
            CHECK_EQUAL(n_bytes, std::filesystem::file_size(out));
            CHECK(tensors_of({ out }) == tensors_of({ file.str() }));
            CHECK_EQUAL(folder.n_files(), (size_t) 1);
        }
    }
}

TEST("the file's order of tensors and its metadata stay, and notes are added") {
    const temp_folder folder;
    const std::string out = folder.file("out.gguf");
    for (const variant & v : all_variants()) {
        if (!known(v)) continue;
        const variant_file file(v);
        student s(file.str());
        change(s.parameters, 1);
        export_model(file.str(), s.parameters, "same", { { "overfill.heal.mode", "full" }, { "general.name", "N" } },
                     out, never);
        const gguf_metadata before(file.str()), after(out);
        CHECK_EQUAL(gguf_get_n_tensors(after.get()), gguf_get_n_tensors(before.get()));
        for (int64_t i = 0; i < gguf_get_n_tensors(after.get()); i++)
            CHECK_EQUAL(std::string(gguf_get_tensor_name(after.get(), i)), gguf_get_tensor_name(before.get(), i));
        for (int64_t i = 0; i < gguf_get_n_kv(before.get()); i++) CHECK(after.has(gguf_get_key(before.get(), i)));
        CHECK(after.texts("tokenizer.ggml.tokens") == before.texts("tokenizer.ggml.tokens"));
        CHECK_EQUAL(after.text("overfill.heal.mode").value_or(""), std::string("full"));
        CHECK_EQUAL(after.text("general.name").value_or(""), std::string("N"));
        CHECK(after.number("general.file_type") == before.number("general.file_type"));
        const tensor_values tensors = tensors_of({ out });
        for (const ggml_tensor * tensor : s.parameters.all())
            CHECK(tensors.at(tensor->name).floats() == values_of(tensor));
    }
}

TEST("llama.cpp's logits from the file are the training graph's") {
    const temp_folder folder;
    const std::string out = folder.file("out.gguf");
    for (const size_t i : { (size_t) 0, (size_t) 3, (size_t) 5, (size_t) 9 }) {
        const variant v = all_variants()[i];
        if (!known(v)) continue;
        const variant_file file(v);
        student s(file.str());
        change(s.parameters, 2);
        export_model(file.str(), s.parameters, "f32", {}, out, never);
        two_texts texts(s.shape.n_vocab, false);
        const auto graph = s.graph(texts.shape, false);
        graph->run(texts.batch);
        std::vector<float> ours = graph->logits();
        ours.resize(texts.rest[0].size() * s.shape.n_vocab);
        const double worst = largest_difference(ours, logits_of(out, texts.rest[0]));
        std::printf("  %s: %.1e\n", v.title, worst);
        CHECK(worst < 1e-4);
        CHECK(largest_difference(ours, logits_of(file.str(), texts.rest[0])) > 1e-2);
    }
}

TEST("matrices get the type asked for, rounded as ggml rounds; vectors stay, and what was not trained is converted") {
    const temp_folder folder;
    const std::string out = folder.file("out.gguf");
    for (const ggml_type from : { GGML_TYPE_F32, GGML_TYPE_Q8_0, GGML_TYPE_F16 })
        for (const ggml_type type : { GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_BF16, GGML_TYPE_Q8_0 }) {
            const variant_file file(wide(from));
            student s(file.str(), 1, [](const std::string & name) { return name.find("blk.1.") == 0; });
            change(s.parameters, 3);
            const std::string name = ggml_type_name(type);
            export_model(file.str(), s.parameters, name, {}, out, never);
            const gguf_metadata metadata(out);
            CHECK_EQUAL((int) metadata.number("general.file_type").value_or(-1), *find_file_type(name));
            CHECK_EQUAL(metadata.has("general.quantization_version"), type == GGML_TYPE_Q8_0);
            const tensor_values before = tensors_of({ file.str() }), after = tensors_of({ out });
            for (const ggml_tensor * tensor : s.parameters.all()) {
                const tensor_value &old = before.at(tensor->name), &made = after.at(tensor->name);
                const bool vector = tensor->ne[1] == 1, trained = tensor->flags & GGML_TENSOR_FLAG_PARAM;
                CHECK(made.type == (vector ? GGML_TYPE_F32 : type));
                if (!trained && old.type == made.type) CHECK(old == made);
                const std::vector<float> values = values_of(tensor);
                std::string expected(ggml_row_size(made.type, made.ne0) * (size_t) made.ne1, 0);
                if (made.type == GGML_TYPE_F32)
                    std::memcpy(&expected[0], values.data(), expected.size());
                else
                    ggml_quantize_chunk(made.type, values.data(), &expected[0], 0, made.ne1, made.ne0, nullptr);
                CHECK(made.bytes == expected);
            }
            CHECK(load_model({ out, 0 }, load_depth::weights, [](float) { return true; }) != nullptr);
        }
}

TEST("types that the rows or the values cannot have are refused, and so are unknown ones") {
    const temp_folder folder;
    const variant_file file(all_variants()[0]);  // an FFN of 48
    student s(file.str());
    const auto refused = [&](const std::string & type, const char * says) {
        try {
            export_model(file.str(), s.parameters, type, {}, folder.file("out.gguf"), never);
            CHECK(false);
        } catch (const failure & error) {
            CHECK(error.code() == error_code::invalid_argument);
            CHECK(error.details().at(0).second == "options.type");
            CHECK(std::string(error.what()).find(says) != std::string::npos);
        }
    };
    refused("q8_0", "ffn_down");
    CHECK_FAILURE(error_code::invalid_argument, check_export(file.str(), s.parameters, "q8_0"));
    CHECK_FAILURE(error_code::invalid_argument, check_export(file.str(), s.parameters, "q9"));
    check_export(file.str(), s.parameters, "f16");
    refused("q4_k_m", "expected f32");
    refused("", "expected f32");
    for (const float value : { 1e6f, (float) NAN }) {
        ggml_backend_tensor_set(s.parameters.find("blk.1.ffn_up.weight"), &value, 40, sizeof value);
        refused("f16", "blk.1.ffn_up.weight");
    }
    CHECK_EQUAL(folder.n_files(), (size_t) 0);
}

TEST("a split file is refused, an aborted or failed writing leaves what was there") {
    const temp_folder folder;
    const std::string out = folder.file("out.gguf");
    const variant_file file(all_variants()[0]);
    const student s(file.str());
    put_bytes(out, "before");
    const std::atomic<bool> stop{ true };
    CHECK_FAILURE(error_code::aborted, export_model(file.str(), s.parameters, "same", {}, out, stop));
    CHECK_FAILURE(error_code::file_write_failed,
                  export_model(file.str(), s.parameters, "same", {}, folder.file("none/out.gguf"), never));
#ifndef _WIN32
    // A limit on file sizes stands in for a full disk.
    rlimit old;
    getrlimit(RLIMIT_FSIZE, &old);
    const auto handler = std::signal(SIGXFSZ, SIG_IGN);
    for (const rlim_t n : { (rlim_t) 0, (rlim_t) 1000, (rlim_t) 50000 }) {
        const rlimit small = { n, old.rlim_max };
        setrlimit(RLIMIT_FSIZE, &small);
        bool failed = false;
        try {
            export_model(file.str(), s.parameters, "f16", {}, out, never);
        } catch (const failure & error) {
            failed = error.code() == error_code::file_write_failed;
        }
        setrlimit(RLIMIT_FSIZE, &old);
        CHECK(failed);
    }
    std::signal(SIGXFSZ, handler);
#endif
    CHECK_EQUAL(bytes_of(out), std::string("before"));
    CHECK_EQUAL(folder.n_files(), (size_t) 1);

    const gguf_metadata whole(file.str());
    const gguf_context_ptr part(gguf_init_empty());
    gguf_set_kv(part.get(), whole.get());
    gguf_set_val_u16(part.get(), "split.count", 2);
    gguf_write_to_file(part.get(), folder.file("split.gguf").c_str(), false);
    CHECK_FAILURE(error_code::model_unsupported,
                  export_model(folder.file("split.gguf"), s.parameters, "same", {}, out, never));
}

TEST("the file may be written over the one it is made from") {
    const temp_folder folder;
    const variant_file file(all_variants()[0]);
    const std::string path = folder.file("model.gguf");
    put_bytes(path, bytes_of(file.str()));
    student s(path);
    change(s.parameters, 4);
    export_model(path, s.parameters, "same", {}, path, never);
    const tensor_values tensors = tensors_of({ path });
    for (const ggml_tensor * tensor : s.parameters.all()) CHECK(tensors.at(tensor->name).floats() == values_of(tensor));
}
