// Translator files there and back, broken ones, those of another pair.
#include "check.h"
#include "temp_folder.h"
#include "tiny_model.h"
#include "translator_file.h"

#include <ggml-cpp.h>
#include <gguf.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <functional>
#include <random>

#ifndef _WIN32
#include <csignal>
#include <sys/resource.h>
#endif

using namespace overfill;
using namespace overfill::test;
namespace fs = std::filesystem;

namespace {

std::shared_ptr<linear_map> some_map(uint32_t n_in, uint32_t n_out, uint32_t seed, bool with_bias = true) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    auto map = std::make_shared<linear_map>();
    map->n_in = n_in;
    map->n_out = n_out;
    for (size_t i = 0; i < (size_t) n_in * n_out; i++) map->weight.push_back(normal(random));
    for (size_t i = 0; with_bias && i < n_out; i++) map->bias.push_back(normal(random));
    return map;
}

// Separate maps, a common one, one without a bias, and a layer without any.
translator some_translator() {
    translator t;
    t.layers = { 0, 2, 5, 1 };
    const auto common = some_map(64, 32, 3);
    t.k = { some_map(64, 32, 1), common, nullptr, some_map(64, 40, 5, false) };
    t.v = { some_map(96, 32, 2), common, nullptr, nullptr };
    t.before_rope = false;
    t.source_fingerprint = "llama-0123456789abcdef";
    t.target_fingerprint = "qwen2-fedcba9876543210";
    t.source_name = "A model";
    t.target_name = "Another model, \xc3\xa9";
    t.error_k = { 0.1f, 0.2f, 0, 0.4f };
    t.error_v = { 0.5f, 0.6f, 0, 1.7f };
    t.loss.alone = 2.5;
    t.loss.unmapped = 7.25;
    t.loss.mapped = 2.75;
    t.n_fit_tokens = 123456789012;
    return t;
}

bool same_map(const std::shared_ptr<const linear_map> & a, const std::shared_ptr<const linear_map> & b) {
    if (!a || !b) return !a && !b;
    return a->n_in == b->n_in && a->n_out == b->n_out && a->weight == b->weight && a->bias == b->bias;
}

void check_same(const translator & a, const translator & b) {
    CHECK(a.layers == b.layers);
    CHECK(a.k.size() == b.k.size() && std::equal(a.k.begin(), a.k.end(), b.k.begin(), same_map));
    CHECK(a.v.size() == b.v.size() && std::equal(a.v.begin(), a.v.end(), b.v.begin(), same_map));
    CHECK_EQUAL(a.before_rope, b.before_rope);
    CHECK_EQUAL(a.source_fingerprint, b.source_fingerprint);
    CHECK_EQUAL(a.target_fingerprint, b.target_fingerprint);
    CHECK_EQUAL(a.source_name, b.source_name);
    CHECK_EQUAL(a.target_name, b.target_name);
    CHECK(a.error_k == b.error_k && a.error_v == b.error_v);
    CHECK(a.loss.alone == b.loss.alone && a.loss.unmapped == b.loss.unmapped && a.loss.mapped == b.loss.mapped);
    CHECK_EQUAL(a.n_fit_tokens, b.n_fit_tokens);
}

// A small sound file of two layers (64 to 32), with something done to it before it is written.
struct draft {
    draft() : gguf(gguf_init_empty()), tensors(ggml_init({ 1 << 22, nullptr, false })) {
        gguf_set_val_str(gguf.get(), "general.architecture", "overfill-translator");
        gguf_set_val_str(gguf.get(), "general.type", "translator");
        gguf_set_val_u32(gguf.get(), "translator.version", 1);
        gguf_set_val_str(gguf.get(), "translator.kind", "linear");
        gguf_set_val_u32(gguf.get(), "translator.layer_count", 2);
        gguf_set_val_bool(gguf.get(), "translator.before_rope", true);
        const int32_t layers[] = { 0, 3 };
        gguf_set_arr_data(gguf.get(), "translator.layers", GGUF_TYPE_INT32, layers, 2);
    }
    float * add(const char * name, int64_t n_in, int64_t n_out, ggml_type type = GGML_TYPE_F32) {
        ggml_tensor * tensor = ggml_new_tensor_2d(tensors.get(), type, n_in, n_out);
        ggml_set_name(tensor, name);
        std::memset(tensor->data, 0, ggml_nbytes(tensor));
        gguf_add_tensor(gguf.get(), tensor);
        return static_cast<float *>(tensor->data);
    }
    void add_all() {
        for (const char * name : { "blk.0.k.weight", "blk.0.v.weight", "blk.1.kv.weight" }) add(name, 64, 32);
        for (const char * name : { "blk.0.k.bias", "blk.0.v.bias", "blk.1.kv.bias" }) add(name, 32, 1);
    }
    gguf_context_ptr gguf;
    ggml_context_ptr tensors;
};

// Expects a draft to be refused with a message that says this.
void refuses(const char * expected, const std::function<void(draft &)> & edit, bool with_tensors = true) {
    const temp_folder folder;
    draft file;
    if (with_tensors) file.add_all();
    edit(file);
    gguf_write_to_file(file.gguf.get(), folder.file("t.gguf").c_str(), false);
    const std::string why = CHECK_FAILURE(error_code::translator_invalid, read_translator(folder.file("t.gguf")));
    CHECK_EQUAL(why.find(expected) == std::string::npos ? why : expected, std::string(expected));
}

model_traits some_model(uint32_t n_layer, uint32_t n_head_kv, uint32_t head_size) {
    model_traits model;
    model.n_layer = n_layer;
    model.layers.resize(n_layer);
    for (layer_traits & layer : model.layers) {
        layer = {};
        layer.n_head_kv = n_head_kv;
        layer.head_size_k = layer.head_size_v = head_size;
    }
    return model;
}

}  // namespace

TEST("a translator comes back from its file as it was") {
    const temp_folder folder;
    const translator written = some_translator();
    const uint64_t n_bytes = write_translator(folder.file("t.gguf"), written, GGML_TYPE_F32);
    translator_file_info info;
    const translator read = read_translator(folder.file("t.gguf"), &info);
    check_same(read, written);
    CHECK(read.k[1] == read.v[1]);  // one map, not two alike
    CHECK_EQUAL(info.n_bytes, n_bytes);
    CHECK_EQUAL(fs::file_size(folder.file("t.gguf")), n_bytes);
    CHECK(info.weight_type == GGML_TYPE_F32);
    CHECK_EQUAL(folder.n_files(), (size_t) 1);
    CHECK(is_translator_file(folder.file("t.gguf")));
    // A common map is stored once.
    CHECK(n_bytes < 4 * (64 * 32 + 96 * 32 + 64 * 32 + 64 * 40) + 4096);
}

TEST("so does one of a layer map alone, and an empty one") {
    const temp_folder folder;
    translator map;
    map.layers = { 0, 0, 1 };
    for (const translator & written : { map, translator() }) {
        write_translator(folder.file("t.gguf"), written, GGML_TYPE_F16);
        check_same(read_translator(folder.file("t.gguf")), written);
    }
}

TEST("f16 and q8_0 weights come back as the rounding says") {
    const temp_folder folder;
    for (const ggml_type type : { GGML_TYPE_F16, GGML_TYPE_Q8_0 }) {
        translator written = some_translator();
        write_translator(folder.file("t.gguf"), written, type);
        translator_file_info info;
        const translator read = read_translator(folder.file("t.gguf"), &info);
        CHECK(info.weight_type == type);
        for (auto * maps : { &written.k, &written.v })
            for (auto & map : *maps) {
                if (!map) continue;
                auto rounded = std::make_shared<linear_map>(*map);
                round_weights(*rounded, type);
                double largest = 0;
                for (size_t i = 0; i < map->weight.size(); i++)
                    largest = std::max(largest, std::fabs((double) rounded->weight[i] - map->weight[i]));
                CHECK(largest > 0 && largest < (type == GGML_TYPE_F16 ? 0.002 : 0.03));
                map = rounded;
            }
        check_same(read, written);
    }
}

TEST("weights that a type cannot hold are refused before anything is written") {
    const temp_folder folder;
    translator t;
    t.k = { some_map(40, 8, 1) };
    CHECK_FAILURE(error_code::invalid_argument, write_translator(folder.file("t.gguf"), t, GGML_TYPE_Q8_0));
    CHECK_FAILURE(error_code::invalid_argument, write_translator(folder.file("t.gguf"), t, GGML_TYPE_Q4_0));
    auto large = some_map(32, 8, 1);
    large->weight[5] = 1e6f;
    t.k = { large };
    CHECK_FAILURE(error_code::invalid_argument, write_translator(folder.file("t.gguf"), t, GGML_TYPE_F16));
    CHECK_EQUAL(folder.n_files(), (size_t) 0);
    write_translator(folder.file("t.gguf"), t, GGML_TYPE_F32);
    CHECK_EQUAL(read_translator(folder.file("t.gguf")).k[0]->weight[5], 1e6f);
}

TEST("a file that cannot be written leaves nothing behind and what was there in place") {
    const temp_folder folder;
    CHECK_FAILURE(error_code::file_write_failed,
                  write_translator(folder.file("none/t.gguf"), some_translator(), GGML_TYPE_F32));
    CHECK_FAILURE(error_code::file_write_failed,
                  write_translator(folder.path.string(), some_translator(), GGML_TYPE_F32));
#ifndef _WIN32
    // A limit on file sizes stands in for a full disk.
    translator before;
    before.layers = { 1 };
    write_translator(folder.file("t.gguf"), before, GGML_TYPE_F32);
    rlimit old;
    getrlimit(RLIMIT_FSIZE, &old);
    const auto handler = std::signal(SIGXFSZ, SIG_IGN);
    for (const rlim_t n : { (rlim_t) 0, (rlim_t) 1000, (rlim_t) 20000 }) {
        const rlimit small = { n, old.rlim_max };
        setrlimit(RLIMIT_FSIZE, &small);
        bool failed = false;
        try {
            write_translator(folder.file("t.gguf"), some_translator(), GGML_TYPE_F32);
        } catch (const failure & error) {
            failed = error.code() == error_code::file_write_failed;
        }
        setrlimit(RLIMIT_FSIZE, &old);
        CHECK(failed);
        CHECK_EQUAL(folder.n_files(), (size_t) 1);
        check_same(read_translator(folder.file("t.gguf")), before);
    }
    std::signal(SIGXFSZ, handler);
#endif
}

TEST("a file that is cut off anywhere is refused") {
    const temp_folder folder;
    write_translator(folder.file("t.gguf"), some_translator(), GGML_TYPE_F32);
    const std::string whole = bytes_of(folder.file("t.gguf"));
    // The last tensor is followed by padding alone.
    for (size_t n = 0; n + GGUF_DEFAULT_ALIGNMENT < whole.size(); n += n < 2500 ? 7 : 997) {
        put_bytes(folder.file("cut.gguf"), whole.substr(0, n));
        CHECK_FAILURE(error_code::translator_invalid, read_translator(folder.file("cut.gguf")));
    }
}

TEST("a file with damaged bytes is read or refused, and nothing else") {
    const temp_folder folder;
    write_translator(folder.file("t.gguf"), some_translator(), GGML_TYPE_Q8_0);
    const std::string whole = bytes_of(folder.file("t.gguf"));
    std::mt19937 random(1);
    int n_refused = 0;
    for (int round = 0; round < 2000; round++) {
        std::string damaged = whole;
        // The head mostly: that is where lengths, types and names are.
        for (int i = 0; i < 3; i++) damaged[random() % (round % 4 ? 2000 : whole.size())] = (char) random();
        put_bytes(folder.file("damaged.gguf"), damaged);
        try {
            read_translator(folder.file("damaged.gguf"));
        } catch (const failure & error) {
            n_refused++;
            CHECK(error.code() == error_code::translator_invalid);
        }
    }
    CHECK(n_refused > 500);
}

TEST("what is no translator is told from what is a bad one") {
    const temp_folder folder;
    CHECK_FAILURE(error_code::model_not_found, read_translator(folder.file("none.gguf")));
    CHECK_FAILURE(error_code::model_not_a_file, read_translator(folder.path.string()));
    const model_path model{ tiny_model() };
    const std::string why = CHECK_FAILURE(error_code::translator_invalid, read_translator(model.str()));
    CHECK(why.find("not a translator") != std::string::npos);
    put_bytes(folder.file("text.gguf"), "This is no GGUF file.");
    CHECK_FAILURE(error_code::translator_invalid, read_translator(folder.file("text.gguf")));
    for (const std::string & path : { model.str(), folder.file("text.gguf"), folder.file("none.gguf") })
        CHECK(!is_translator_file(path));
}

TEST("a sound draft is read, and each fault in one is named") {
    {
        const temp_folder folder;
        draft file;
        file.add_all();
        gguf_write_to_file(file.gguf.get(), folder.file("t.gguf").c_str(), false);
        const translator t = read_translator(folder.file("t.gguf"));
        CHECK(t.k.size() == 2 && t.v.size() == 2 && t.layers[1] == 3 && t.k[1] == t.v[1] && t.k[0] != t.v[0]);
    }
    const auto layers = [](std::vector<int32_t> values) {
        return [values](draft & file) {
            gguf_set_arr_data(file.gguf.get(), "translator.layers", GGUF_TYPE_INT32, values.data(), values.size());
        };
    };
    refuses("maps from layer -1", layers({ 0, -1 }));
    refuses("maps from layer 512", layers({ 512, 1 }));
    refuses("has 3 values in translator.layers for 2 layers", layers({ 0, 1, 2 }));
    refuses("has translator version 2",
            [](draft & file) { gguf_set_val_u32(file.gguf.get(), "translator.version", 2); });
    refuses("has translator version 0", [](draft & file) { gguf_remove_key(file.gguf.get(), "translator.version"); });
    refuses("has no layer count",
            [](draft & file) { gguf_set_val_u32(file.gguf.get(), "translator.layer_count", 1000); });
    refuses("has no layer count",
            [](draft & file) { gguf_set_val_i32(file.gguf.get(), "translator.layer_count", -1); });
    refuses("does not say whether it works before RoPE",
            [](draft & file) { gguf_set_val_u32(file.gguf.get(), "translator.before_rope", 1); });
    refuses("is of kind 'layers'",
            [](draft & file) { gguf_set_val_str(file.gguf.get(), "translator.kind", "layers"); });
    refuses(
        "is of kind 'linear'", [](draft &) {}, false);
    refuses("not a translator", [](draft & file) { gguf_set_val_str(file.gguf.get(), "general.type", "model"); });
    refuses("has translator.loss.mapped",
            [](draft & file) { gguf_set_val_f64(file.gguf.get(), "translator.loss.mapped", NAN); });
    refuses("has translator.error.k", [](draft & file) {
        const float errors[] = { 0.5f, INFINITY };
        gguf_set_arr_data(file.gguf.get(), "translator.error.k", GGUF_TYPE_FLOAT32, errors, 2);
    });

    refuses("has blk.2.k.weight, but only 2 layers", [](draft & file) { file.add("blk.2.k.weight", 64, 32); });
    refuses("has blk.-1.k.weight, but only 2 layers", [](draft & file) { file.add("blk.-1.k.weight", 64, 32); });
    for (const char * name : { "blk.0.q.weight", "blk.0.vk.weight", "blk.00.k.weight", "extra", "blk.0.k.weights",
                               "blk. 0.k.weight", "blk.0.k.scale" })
        refuses((std::string("has the unknown tensor ") + name).c_str(), [&](draft & file) { file.add(name, 64, 32); });
    refuses("both a common map and maps for K or V in layer 1",
            [](draft & file) { file.add("blk.1.k.weight", 64, 32); });
    refuses("has a bias without a weight in layer 0", [](draft & file) { file.add("blk.0.kv.bias", 32, 1); });
    const auto alone = [](const char * expected, const std::function<void(draft &)> & edit) {
        refuses(expected, edit, false);
    };
    alone("has a bias of 31 values for 32 outputs", [](draft & file) {
        file.add("blk.0.k.weight", 64, 32);
        file.add("blk.0.k.bias", 31, 1);
    });
    alone("which is not a vector of f32", [](draft & file) {
        file.add("blk.0.k.weight", 64, 32);
        file.add("blk.0.k.bias", 32, 1, GGML_TYPE_F16);
    });
    alone("expected f32, f16 or q8_0", [](draft & file) { file.add("blk.0.k.weight", 64, 32, GGML_TYPE_Q4_0); });
    alone("with an impossible shape", [](draft & file) { file.add("blk.0.k.weight", 1 << 21, 1, GGML_TYPE_Q8_0); });
    for (const float odd : { NAN, INFINITY, -INFINITY }) {
        refuses("not finite numbers", [&](draft & file) { file.add("blk.0.kv.weight", 64, 32)[70] = odd; });
        refuses("not finite numbers", [&](draft & file) { file.add("blk.0.kv.bias", 32, 1)[31] = odd; });
    }
    // A block scale of infinity makes every value of the block one.
    refuses("not finite numbers", [](draft & file) {
        *reinterpret_cast<uint16_t *>(file.add("blk.0.kv.weight", 64, 32, GGML_TYPE_F16)) = 0x7c00;
    });
}

TEST("a translator for another pair is refused with everything that differs") {
    translator t;
    t.layers = { 0, 2 };
    t.k = { some_map(64, 32, 1), some_map(64, 32, 2) };
    t.v = t.k;
    t.source_fingerprint = "a";
    t.target_fingerprint = "b";
    const model_traits source = some_model(3, 2, 32), target = some_model(2, 1, 32);
    check_translator(t, source, "a", target, "b");
    translator any = t;
    any.source_fingerprint = any.target_fingerprint = "";
    check_translator(any, source, "x", target, "y");

    const auto differs = [&](const char * expected, const translator & t, const model_traits & source,
                             const model_traits & target, const char * source_fp = "a", const char * target_fp = "b") {
        const std::string why =
            CHECK_FAILURE(error_code::translator_mismatch, check_translator(t, source, source_fp, target, target_fp));
        CHECK_EQUAL(why.find(expected) == std::string::npos ? why : expected, std::string(expected));
    };
    differs("sourceFingerprint is a, expected x", t, source, target, "x");
    differs("targetFingerprint is b, expected a", t, source, target, "a", "a");
    differs("layers is 2, expected 3", t, source, some_model(3, 1, 32));
    differs("layer 1 is from layer 2, expected 0 to 1", t, some_model(2, 2, 32), target);
    differs("layer 0 K is a map from 64 to 32, expected 96 to 32", t, some_model(3, 3, 32), target);
    differs("layer 1 V is a map from 64 to 32, expected 64 to 64", t, source, some_model(2, 2, 32));
    translator partial = t;
    partial.v[1] = nullptr;
    differs("layer 1 V is absent", partial, source, target);
    partial.v = {};
    differs("layer 0 V is absent", partial, source, target);
    // Without a map of its own a layer of equal shape is taken as it is.
    partial.k = { nullptr, nullptr };
    check_translator(partial, some_model(3, 1, 32), "a", target, "b");

    translator wide;
    wide.layers = std::vector<int32_t>(20, 400);
    const std::string why =
        CHECK_FAILURE(error_code::translator_mismatch, check_translator(wide, source, "", some_model(20, 2, 32), ""));
    CHECK(why.find("and 12 more") != std::string::npos);
    // The same index for every layer needs as many of them.
    differs("layer 2 is from layer 2", translator(), some_model(2, 2, 32), some_model(3, 2, 32), "", "");
}
