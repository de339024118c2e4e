// Importance files there and back, broken ones, and merging.
#include "check.h"
#include "importance.h"
#include "temp_folder.h"
#include "tiny_model.h"

#include <ggml-cpp.h>
#include <gguf.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <random>

using namespace overfill;
using namespace overfill::test;

namespace {

importance some_importance(uint32_t seed = 1) {
    std::mt19937 random(seed);
    std::exponential_distribution<double> positive(1e-3);
    const auto some = [&](size_t n) {
        std::vector<double> values(n);
        for (double & value : values) value = positive(random);
        return values;
    };
    importance measured;
    measured.fingerprint = "llama-0123456789abcdef";
    measured.model_name = "A model, \xc3\xa9";
    measured.architecture = "llama";
    measured.text_name = "a.txt";
    measured.n_embd = 5;
    measured.n_ff = 7;
    measured.n_head = 2;
    measured.n_layer = 3;
    measured.window = 512;
    measured.n_samples = 11;
    measured.n_tokens = 5632;
    measured.n_scored = 5621;
    measured.loss_sum = 12345.678901234567;
    for (size_t mean = 0; mean < n_activation_means; mean++) {
        measured.hidden[mean] = some(5);
        measured.hidden_layers[mean] = some(15);
        measured.ffn[mean] = some(21);
    }
    measured.heads = some(6);
    measured.influence = some(3);
    measured.heads[2] = 0;
    measured.ffn[1][3] = 5e-324;
    return measured;
}

void check_same(const importance & a, const importance & b) {
    CHECK_EQUAL(a.fingerprint, b.fingerprint);
    CHECK_EQUAL(a.model_name, b.model_name);
    CHECK_EQUAL(a.architecture, b.architecture);
    CHECK_EQUAL(a.text_name, b.text_name);
    CHECK(a.n_embd == b.n_embd && a.n_ff == b.n_ff && a.n_head == b.n_head && a.n_layer == b.n_layer);
    CHECK(a.window == b.window && a.n_samples == b.n_samples && a.n_tokens == b.n_tokens && a.n_scored == b.n_scored);
    CHECK_EQUAL(a.loss_sum, b.loss_sum);
    CHECK(a.hidden == b.hidden && a.hidden_layers == b.hidden_layers && a.ffn == b.ffn);
    CHECK(a.heads == b.heads && a.influence == b.influence);
}

// The file of some_importance with something done to it before it is written again.
void refuses(const std::function<void(gguf_context *, ggml_context *)> & edit) {
    const temp_folder folder;
    const std::string path = folder.file("i.gguf");
    write_importance(path, some_importance());
    ggml_context * tensors = nullptr;
    const gguf_context_ptr read(gguf_init_from_file(path.c_str(), { /*no_alloc*/ false, &tensors }));
    const ggml_context_ptr owner(tensors);
    const gguf_context_ptr gguf(gguf_init_empty());
    gguf_set_kv(gguf.get(), read.get());
    for (int64_t id = 0; id < gguf_get_n_tensors(read.get()); id++)
        gguf_add_tensor(gguf.get(), ggml_get_tensor(tensors, gguf_get_tensor_name(read.get(), id)));
    edit(gguf.get(), tensors);
    gguf_write_to_file(gguf.get(), path.c_str(), false);
    CHECK_FAILURE(error_code::importance_invalid, read_importance(path));
}

double * values_of(ggml_context * tensors, const char * name) {
    return static_cast<double *>(ggml_get_tensor(tensors, name)->data);
}

}  // namespace

TEST("an importance comes back from its file bit for bit") {
    const temp_folder folder;
    const importance written = some_importance();
    write_importance(folder.file("i.gguf"), written);
    check_same(read_importance(folder.file("i.gguf")), written);
    CHECK(is_importance_file(folder.file("i.gguf")));
    CHECK_EQUAL(folder.n_files(), (size_t) 1);
    // And again in its place.
    importance other = some_importance(2);
    other.text_name = "";
    write_importance(folder.file("i.gguf"), other);
    check_same(read_importance(folder.file("i.gguf")), other);
    CHECK_EQUAL(folder.n_files(), (size_t) 1);
}

TEST("a file that cannot be written or read is an error with a code") {
    const temp_folder folder;
    CHECK_FAILURE(error_code::file_write_failed, write_importance(folder.file("no/folder/i.gguf"), some_importance()));
    CHECK_FAILURE(error_code::file_read_failed, read_importance(folder.file("none.gguf")));
    CHECK_FAILURE(error_code::file_read_failed, read_importance(folder.path.string()));
    CHECK(!is_importance_file(folder.file("none.gguf")));
    CHECK(!is_importance_file(folder.path.string()));
    put_bytes(folder.file("text.gguf"), "not a GGUF file");
    CHECK_FAILURE(error_code::importance_invalid, read_importance(folder.file("text.gguf")));
    CHECK(!is_importance_file(folder.file("text.gguf")));
    const model_path model(tiny_model{});
    CHECK_FAILURE(error_code::importance_invalid, read_importance(model.str()));
    CHECK(!is_importance_file(model.str()));
}

TEST("a file that was cut off anywhere, or added to, is refused") {
    const temp_folder folder;
    write_importance(folder.file("i.gguf"), some_importance());
    const std::string whole = bytes_of(folder.file("i.gguf"));
    size_t n_refused = 0;
    for (size_t n = 0; n < whole.size(); n++) {
        put_bytes(folder.file("cut.gguf"), whole.substr(0, n));
        try {
            read_importance(folder.file("cut.gguf"));
        } catch (const failure & error) {
            n_refused += error.code() == error_code::importance_invalid;
        }
    }
    CHECK_EQUAL(n_refused, whole.size());
    put_bytes(folder.file("cut.gguf"), whole + std::string(32, '\0'));
    CHECK_FAILURE(error_code::importance_invalid, read_importance(folder.file("cut.gguf")));
}

TEST("a file with changed bytes is refused or has sound values") {
    const temp_folder folder;
    write_importance(folder.file("i.gguf"), some_importance());
    const std::string whole = bytes_of(folder.file("i.gguf"));
    std::mt19937 random(7);
    size_t n_refused = 0, n_sound = 0;
    for (size_t i = 0; i < 3000; i++) {
        std::string changed = whole;
        // The head and its numbers more often than the values.
        const size_t at = random() % (i % 4 ? std::min<size_t>(whole.size(), 1500) : whole.size());
        changed[at] = (char) (changed[at] ^ (char) (1 + random() % 255));
        put_bytes(folder.file("changed.gguf"), changed);
        try {
            const importance read = read_importance(folder.file("changed.gguf"));
            n_sound++;
            bool sound = read.heads.size() == (size_t) read.n_head * read.n_layer && read.loss_sum >= 0;
            for (const double value : read.ffn[0]) sound = sound && std::isfinite(value) && value >= 0;
            CHECK(sound);
        } catch (const failure & error) {
            n_refused++;
            CHECK(error.code() == error_code::importance_invalid);
        }
    }
    std::printf("  %zu refused, %zu with sound values\n", n_refused, n_sound);
    CHECK(n_refused > 0 && n_sound > 0);
}

TEST("values and sizes that cannot be are refused") {
    for (const double value : { (double) NAN, (double) INFINITY, -1e-300 })
        for (const char * name : { "hidden.signed", "hidden_layers.absolute", "ffn.signed", "heads", "influence" })
            refuses([&](gguf_context *, ggml_context * tensors) { values_of(tensors, name)[1] = value; });
    const char * const prefix = "overfill.importance.";
    for (const char * key : { "embedding_length", "feed_forward_length", "head_count", "block_count" })
        for (const uint32_t value : { 0u, 1u, 1u << 30 })
            refuses([&](gguf_context * gguf, ggml_context *) {
                gguf_set_val_u32(gguf, (std::string(prefix) + key).c_str(), value);
            });
    refuses([&](gguf_context * gguf, ggml_context *) { gguf_set_val_u32(gguf, "overfill.importance.version", 2); });
    refuses([&](gguf_context * gguf, ggml_context *) { gguf_set_val_u64(gguf, "overfill.importance.samples", 0); });
    refuses([&](gguf_context * gguf, ggml_context *) { gguf_set_val_f64(gguf, "overfill.importance.loss_sum", NAN); });
    refuses([&](gguf_context * gguf, ggml_context *) { gguf_set_val_f64(gguf, "overfill.importance.loss_sum", -1); });
    refuses([&](gguf_context * gguf, ggml_context *) { gguf_set_val_str(gguf, "general.type", "model"); });
    refuses([&](gguf_context * gguf, ggml_context *) { gguf_remove_key(gguf, "overfill.importance.fingerprint"); });
    refuses([&](gguf_context * gguf, ggml_context *) { gguf_remove_key(gguf, "overfill.importance.tokens"); });
    const ggml_context_ptr more(ggml_init({ 1 << 16, nullptr, false }));
    ggml_tensor * tensor = ggml_new_tensor_1d(more.get(), GGML_TYPE_F32, 8);
    std::memset(tensor->data, 0, ggml_nbytes(tensor));
    ggml_set_name(tensor, "more");
    refuses([&](gguf_context * gguf, ggml_context *) { gguf_add_tensor(gguf, tensor); });
}

TEST("merging adds the sums up") {
    importance sum = some_importance(1);
    const importance a = sum;
    importance b = some_importance(2);
    b.text_name = "b.txt";
    b.window = 1024;
    merge(sum, b);
    CHECK_EQUAL(sum.text_name, std::string("a.txt, b.txt"));
    CHECK_EQUAL(sum.window, 1024u);
    CHECK_EQUAL(sum.n_samples, 22u);
    CHECK_EQUAL(sum.n_tokens, 2 * a.n_tokens);
    CHECK_EQUAL(sum.n_scored, 2 * a.n_scored);
    CHECK_EQUAL(sum.loss_sum, a.loss_sum + b.loss_sum);
    for (size_t mean = 0; mean < n_activation_means; mean++) {
        for (size_t i = 0; i < 5; i++) CHECK_EQUAL(sum.hidden[mean][i], a.hidden[mean][i] + b.hidden[mean][i]);
        for (size_t i = 0; i < 15; i++)
            CHECK_EQUAL(sum.hidden_layers[mean][i], a.hidden_layers[mean][i] + b.hidden_layers[mean][i]);
        for (size_t i = 0; i < 21; i++) CHECK_EQUAL(sum.ffn[mean][i], a.ffn[mean][i] + b.ffn[mean][i]);
    }
    for (size_t i = 0; i < 6; i++) CHECK_EQUAL(sum.heads[i], a.heads[i] + b.heads[i]);
    for (size_t i = 0; i < 3; i++) CHECK_EQUAL(sum.influence[i], a.influence[i] + b.influence[i]);
}

TEST("measurements of two models are not merged, and nothing is changed") {
    const std::function<void(importance &)> edits[] = {
        [](importance & other) { other.fingerprint = "llama-fedcba9876543210"; },
        [](importance & other) { other.architecture = "qwen2"; },
        [](importance & other) { other.n_embd = 6; },
        [](importance & other) { other.n_ff = 8; },
        [](importance & other) { other.n_head = 1; },
        [](importance & other) { other.n_layer = 4; },
    };
    for (const auto & edit : edits) {
        importance into = some_importance(1), other = some_importance(2);
        edit(other);
        CHECK_FAILURE(error_code::importance_mismatch, merge(into, other));
        check_same(into, some_importance(1));
    }
}
