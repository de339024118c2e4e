// What a file's metadata may say and no model has: numbers that no integer holds, lists in place of numbers, names that
// lead to other folders. Each is an error with a code.
#include "check.h"
#include "find_translator.h"
#include "fingerprint.h"
#include "model_file.h"
#include "parent_model.h"
#include "row_model.h"
#include "temp_folder.h"
#include "translator_file.h"
#include "whole_number.h"

#include <ggml-cpp.h>
#include <gguf.h>

#include <limits>

using namespace overfill;
using namespace overfill::test;

static const double odd_numbers[] = { 1e300,
                                      -1e300,
                                      9.3e18,
                                      2.5,
                                      std::numeric_limits<double>::infinity(),
                                      -std::numeric_limits<double>::infinity(),
                                      std::numeric_limits<double>::quiet_NaN() };

// A file without tensors.
static void write_metadata(const std::string & path, const std::function<void(gguf_context *)> & set) {
    const gguf_context_ptr gguf(gguf_init_empty());
    gguf_set_val_str(gguf.get(), "general.architecture", "llama");
    set(gguf.get());
    CHECK(gguf_write_to_file(gguf.get(), path.c_str(), /*only_meta*/ true));
}

// A tiny model with other metadata.
static void write_changed_model(const std::string & path, const std::function<void(gguf_context *)> & set) {
    const std::string plain = path + ".plain";
    write_row_model({}, plain);
    ggml_context * data = nullptr;
    const gguf_context_ptr from(gguf_init_from_file(plain.c_str(), { /*no_alloc*/ false, &data }));
    const gguf_context_ptr to(gguf_init_empty());
    const ggml_context_ptr tensors(data);
    gguf_set_kv(to.get(), from.get());
    set(to.get());
    for (int64_t i = 0; i < gguf_get_n_tensors(from.get()); i++)
        gguf_add_tensor(to.get(), ggml_get_tensor(data, gguf_get_tensor_name(from.get(), i)));
    CHECK(gguf_write_to_file(to.get(), path.c_str(), /*only_meta*/ false));
}

TEST("a double becomes a whole number only where it is one within the bounds") {
    for (const double odd : odd_numbers) CHECK(!whole_number(odd, INT32_MIN, INT32_MAX));
    CHECK(!whole_number(-1, 0, 5) && !whole_number(6, 0, 5));
    CHECK(whole_number(0, 0, 5) == 0 && whole_number(5, 0, 5) == 5 && whole_number(UINT32_MAX, 0, UINT32_MAX));
    CHECK_EQUAL(number_text(3), "3");
    CHECK_EQUAL(number_text(2.5), "2.5");
    CHECK_EQUAL(number_text(1e300), "1e+300");
}

TEST("a translator's name in the metadata is the plain name of a file in the model's folder") {
    const temp_folder folder;
    const std::string model = folder.file("model.gguf");
    const auto named = [&](const char * name) {
        write_metadata(model, [&](gguf_context * gguf) { gguf_set_val_str(gguf, "overfill.translator", name); });
        return translator_named_by(model);
    };
    CHECK_EQUAL(named("a translator.gguf"), folder.file("a translator.gguf"));
    CHECK_EQUAL(named("..gguf"), folder.file("..gguf"));
    for (const char * name : { "", ".", "..", "../a.gguf", "sub/a.gguf", "/etc/passwd", "..\\a.gguf", "C:a.gguf" }) {
        const std::string message = CHECK_FAILURE(error_code::model_invalid, named(name));
        CHECK(message.find("overfill.translator") != std::string::npos);
    }
}

TEST("a layer map in the metadata has whole numbers") {
    const temp_folder folder;
    const std::string model = folder.file("model.gguf");
    model_traits prefill, decode;
    prefill.n_layer = 4;
    decode.n_layer = 2;
    const auto found = [&](double second) {
        write_metadata(model, [&](gguf_context * gguf) {
            const double layers[] = { 0, second };
            gguf_set_arr_data(gguf, "overfill.layer_map", GGUF_TYPE_FLOAT64, layers, 2);
        });
        return find_translator({}, model, prefill, model, decode);
    };
    CHECK(found(3).layers == std::vector<int32_t>({ 0, 3 }));
    for (const double odd : odd_numbers) CHECK_FAILURE(error_code::model_invalid, found(odd));
    CHECK_FAILURE(error_code::model_invalid, found(-1));
    CHECK_FAILURE(error_code::invalid_argument, found(4));
}

TEST("a translator of an impossible version is refused") {
    const temp_folder folder;
    const std::string path = folder.file("translator.gguf");
    for (const double version : odd_numbers) {
        write_metadata(path, [&](gguf_context * gguf) {
            gguf_set_val_str(gguf, "general.type", "translator");
            gguf_set_val_f64(gguf, "translator.version", version);
        });
        const std::string message = CHECK_FAILURE(error_code::translator_invalid, read_translator(path));
        CHECK(message.find("version " + number_text(version)) != std::string::npos);
    }
}

TEST("a model of an impossible number of parts, experts or turned dimensions is refused") {
    const temp_folder folder;
    const std::string path = folder.file("model.gguf");
    for (const double odd : odd_numbers) {
        write_changed_model(path, [&](gguf_context * gguf) { gguf_set_val_f64(gguf, "split.count", odd); });
        CHECK_FAILURE(error_code::model_invalid, model_fingerprint(path));
        try {
            parent_model{ path };
            CHECK(false);
        } catch (const failure & error) {
            CHECK(error.code() == error_code::model_invalid || error.code() == error_code::model_unsupported);
        }
    }
    for (const char * key : { "llama.expert_group_count", "llama.rope.dimension_count" }) {
        write_changed_model(path, [&](gguf_context * gguf) { gguf_set_val_f64(gguf, key, 1e300); });
        CHECK_FAILURE(error_code::model_invalid, check_model_file(path));
    }
}

TEST("a list in place of one number is refused by the pruner") {
    const temp_folder folder;
    const std::string path = folder.file("model.gguf");
    for (const char * key : { "llama.block_count", "llama.embedding_length" }) {
        write_changed_model(path, [&](gguf_context * gguf) {
            const uint32_t value = (uint32_t) gguf_get_val_u32(gguf, gguf_find_key(gguf, key));
            const uint32_t values[] = { value, value, value };
            gguf_set_arr_data(gguf, key, GGUF_TYPE_UINT32, values, 3);
        });
        const std::string message = CHECK_FAILURE(error_code::model_invalid, parent_model{ path });
        CHECK(message.find(key) != std::string::npos);
    }
}

TEST("the second part of a split model is told as what it is") {
    const temp_folder folder;
    const std::vector<std::string> parts = write_split_row_model({}, folder.file("p"), 9);
    const std::string message = CHECK_FAILURE(error_code::model_unsupported, check_model_file(parts[1]));
    CHECK(message.find("name its first part") != std::string::npos);
    CHECK_FAILURE(error_code::model_unsupported, parent_model{ parts[1] });
    check_model_file(parts[0]);
}
