// Fingerprints: one for all quantisations of a model, another for every other model.
#include "check.h"
#include "fingerprint.h"
#include "temp_folder.h"
#include "tiny_model.h"

#include <ggml-cpp.h>
#include <gguf.h>

#include <algorithm>
#include <filesystem>

using namespace overfill;
using namespace overfill::test;
namespace fs = std::filesystem;

TEST("a fingerprint is the same for every quantisation, and another for every other model") {
    const auto of = [](const tiny_model & model) { return model_fingerprint(model_path(model).str()); };
    const tiny_model base;
    const std::string expected = of(base);
    CHECK_EQUAL(expected.substr(0, 6), std::string("llama-"));
    CHECK_EQUAL(expected.size(), (size_t) 22);
    for (const ggml_type type : { GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_Q8_0, GGML_TYPE_Q4_0 }) {
        tiny_model model;
        model.type = type;
        CHECK_EQUAL(of(model), expected);
    }
    std::vector<tiny_model> others(9);
    others[0].seed = 2;
    others[1].n_layer = 3;
    others[2].n_embd = 96;
    others[3].n_ff = 64;
    others[4].n_head_kv = 4;
    others[5].rope_base = 500000;
    others[6].rope_freqs = true;
    others[7].n_extra_tokens = 101;
    others[8].rope_factor = 2;
    std::vector<std::string> seen = { expected };
    for (const tiny_model & other : others) seen.push_back(of(other));
    std::sort(seen.begin(), seen.end());
    CHECK(std::adjacent_find(seen.begin(), seen.end()) == seen.end());
}

TEST("what renames and rewrites change does not change a fingerprint") {
    const model_path model{ tiny_model() };
    const temp_folder folder;
    ggml_context * data = nullptr;
    const gguf_context_ptr file(gguf_init_from_file(model.str().c_str(), { false, &data }));
    const ggml_context_ptr tensors(data);
    const auto rewritten = [&] {
        const gguf_context_ptr out(gguf_init_empty());
        gguf_set_kv(out.get(), file.get());
        for (int64_t i = 0; i < gguf_get_n_tensors(file.get()); i++)
            gguf_add_tensor(out.get(), ggml_get_tensor(tensors.get(), gguf_get_tensor_name(file.get(), i)));
        gguf_write_to_file(out.get(), folder.file("m.gguf").c_str(), false);
        return model_fingerprint(folder.file("m.gguf"));
    };
    const std::string expected = model_fingerprint(model.str());
    gguf_set_val_str(file.get(), "general.name", "renamed");
    gguf_set_val_u32(file.get(), "general.file_type", 7);
    gguf_set_val_u32(file.get(), "general.quantization_version", 2);
    gguf_set_val_u32(file.get(), "llama.context_length", 77);
    gguf_remove_key(file.get(), "llama.rope.dimension_count");  // the default says the same
    CHECK_EQUAL(rewritten(), expected);
    // One value of one norm.
    ggml_tensor * norm = ggml_get_tensor(tensors.get(), "blk.1.ffn_norm.weight");
    static_cast<float *>(norm->data)[3] += 1e-3f;
    CHECK(rewritten() != expected);
}

TEST("a split model has the fingerprint of its merged file") {
    const model_path model{ tiny_model() };
    const temp_folder folder;
    ggml_context * data = nullptr;
    const gguf_context_ptr whole(gguf_init_from_file(model.str().c_str(), { false, &data }));
    const ggml_context_ptr tensors(data);
    const char * names[] = { "m-00001-of-00003.gguf", "m-00002-of-00003.gguf", "m-00003-of-00003.gguf" };
    for (uint16_t part = 0; part < 3; part++) {
        const gguf_context_ptr out(gguf_init_empty());
        if (part == 0) gguf_set_kv(out.get(), whole.get());
        gguf_set_val_u16(out.get(), "split.no", part);
        gguf_set_val_u16(out.get(), "split.count", 3);
        for (int64_t i = 0; i < gguf_get_n_tensors(whole.get()); i++)
            if (i % 3 == part)
                gguf_add_tensor(out.get(), ggml_get_tensor(tensors.get(), gguf_get_tensor_name(whole.get(), i)));
        gguf_write_to_file(out.get(), folder.file(names[part]).c_str(), false);
    }
    CHECK_EQUAL(model_fingerprint(folder.file(names[0])), model_fingerprint(model.str()));
    CHECK_FAILURE(error_code::model_invalid, model_fingerprint(folder.file(names[1])));
    fs::remove(folder.file(names[2]));
    CHECK_FAILURE(error_code::model_not_found, model_fingerprint(folder.file(names[0])));
}

TEST("a broken model has no fingerprint") {
    const temp_folder folder;
    CHECK_FAILURE(error_code::model_not_found, model_fingerprint(folder.file("none.gguf")));
    CHECK_FAILURE(error_code::model_not_a_file, model_fingerprint(folder.path.string()));
    put_bytes(folder.file("text.gguf"), "This is no GGUF file.");
    CHECK_FAILURE(error_code::model_invalid, model_fingerprint(folder.file("text.gguf")));
    const std::string whole = bytes_of(model_path(tiny_model()).str());
    put_bytes(folder.file("cut.gguf"), whole.substr(0, whole.size() / 2));
    CHECK_FAILURE(error_code::model_invalid, model_fingerprint(folder.file("cut.gguf")));
}
