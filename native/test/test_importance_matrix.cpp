// Importance matrices: files that llama.cpp's own loader reads alike, broken ones, and what is measured against a plain
// evaluation callback written as tools/imatrix has it.
#include "calibration_driver.h"
#include "check.h"
#include "importance_matrix.h"
#include "measure_matrix.h"
#include "quantize_reference.h"
#include "temp_folder.h"
#include "tiny_experts.h"
#include "tiny_model.h"

#include <llama.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <imatrix-loader.h>
#include <random>

using namespace overfill;
using namespace overfill::test;

namespace {

importance_matrix some_matrix() {
    importance_matrix matrix;
    matrix.entries["blk.0.attn_q.weight"] = { { 1, 0, 2.5, 1e6 }, { 100 } };
    matrix.entries["blk.0.ffn_up_exps.weight"] = { { 1, 2, 3, 4, 5, 6 }, { 7, 0, 9 } };
    matrix.texts = { "a.txt", "b \xc3\xa9.txt" };
    matrix.n_samples = 12;
    matrix.window = 512;
    return matrix;
}

// As the former llama-imatrix wrote it.
std::string legacy_bytes(const std::vector<std::string> & names = { "blk.0.attn_q.weight", "blk.1.attn_q.weight" }) {
    std::string bytes;
    const auto number = [&](int32_t value) { bytes.append(reinterpret_cast<const char *>(&value), sizeof value); };
    const auto text = [&](const std::string & value) {
        number((int32_t) value.size());
        bytes += value;
    };
    number((int32_t) names.size());
    for (const std::string & name : names) {
        text(name);
        number(3);
        number(4);
        for (const float value : { 0.5f, 6.0f, 0.0f, 1e4f }) bytes.append(reinterpret_cast<const char *>(&value), 4);
    }
    number(17);
    text("old.txt");
    return bytes;
}

void check_as_llama_reads(const std::string & path, const importance_matrix & read) {
    common_imatrix theirs;
    CHECK(common_imatrix_load(path, theirs));
    CHECK_EQUAL(theirs.entries.size(), read.entries.size());
    CHECK(theirs.is_legacy || theirs.has_metadata);
    CHECK_EQUAL((uint64_t) theirs.chunk_count, read.n_samples);
    CHECK(theirs.datasets == read.texts);
    for (const auto & [name, entry] : read.entries) {
        const common_imatrix_entry & other = theirs.entries[name];
        CHECK(std::vector<double>(other.sums.begin(), other.sums.end()) == entry.sums);
        CHECK(std::vector<double>(other.counts.begin(), other.counts.end()) == entry.counts);
    }
}

matrix_result measure_now(const matrix_options & options) {
    return measure_importance_matrix(
        options, [](const quantize_progress &) {}, never);
}

matrix_options options_of(const std::string & model, const std::string & text, const std::string & out) {
    matrix_options options;
    options.model.path = model;
    options.text_paths = { text };
    options.out_path = out;
    options.window = 32;
    return options;
}

// --- the plain callback ---

struct plain_sums {
    std::map<std::string, std::vector<double>> sums;
    std::map<std::string, std::vector<double>> counts;
};

bool plain_callback(ggml_tensor * t, bool ask, void * data) {
    const bool dense = t->op == GGML_OP_MUL_MAT, chosen = t->op == GGML_OP_MUL_MAT_ID;
    if (!dense && !chosen) return false;
    const std::string name = t->src[0]->name;
    if (dense && (t->src[1]->ne[1] < 16 || name.compare(0, 4, "blk.") != 0)) return false;
    if (ask) return true;
    plain_sums & out = *static_cast<plain_sums *>(data);
    const ggml_tensor * x = t->src[1];
    std::vector<double> & sums = out.sums[name];
    std::vector<double> & counts = out.counts[name];
    const int64_t n = x->ne[0], n_matrices = t->src[0]->ne[2];
    sums.resize((size_t) (n * n_matrices));
    counts.resize((size_t) n_matrices);
    const auto value = [&](int64_t i, int64_t row, int64_t i2) {
        float v;
        std::memcpy(&v, static_cast<const char *>(x->data) + i * x->nb[0] + row * x->nb[1] + i2 * x->nb[2], sizeof v);
        return (double) v;
    };
    if (dense) {
        for (int64_t row = 0; row < x->ne[1]; row++)
            for (int64_t i = 0; i < n; i++) sums[(size_t) i] += value(i, row, 0) * value(i, row, 0);
        counts[0] += (double) x->ne[1];
        return true;
    }
    const ggml_tensor * ids = t->src[2];
    for (int64_t token = 0; token < ids->ne[1]; token++)
        for (int64_t used = 0; used < ids->ne[0]; used++) {
            int32_t expert;
            std::memcpy(&expert, static_cast<const char *>(ids->data) + token * ids->nb[1] + used * ids->nb[0],
                        sizeof expert);
            counts[(size_t) expert]++;
            for (int64_t i = 0; i < n; i++)
                sums[(size_t) (expert * n + i)] += value(i, used % x->ne[1], token) * value(i, used % x->ne[1], token);
        }
    return true;
}

plain_sums plain_measurement(const std::string & path, const std::string & text, uint32_t window) {
    plain_sums out;
    const model_ptr model = load(path);
    llama_context_params params = llama_context_default_params();
    params.n_ctx = 256;
    params.n_batch = params.n_ubatch = window;
    params.n_threads = params.n_threads_batch = 1;
    params.cb_eval = plain_callback;
    params.cb_eval_user_data = &out;
    const context_ptr ctx(llama_init_from_model(model.get(), params));
    for (std::vector<llama_token> tokens : windows_of(model, text, window)) {
        llama_memory_clear(llama_get_memory(ctx.get()), true);
        llama_batch batch = llama_batch_init((int32_t) window, 0, 1);
        batch.n_tokens = (int32_t) window;
        for (int32_t i = 0; i < batch.n_tokens; i++) {
            batch.token[i] = tokens[(size_t) i];
            batch.pos[i] = i;
            batch.n_seq_id[i] = 1;
            batch.seq_id[i][0] = 0;
            batch.logits[i] = true;
        }
        CHECK_EQUAL(llama_decode(ctx.get(), batch), 0);
        llama_batch_free(batch);
    }
    return out;
}

void check_measured(const std::string & model, size_t n_expected) {
    const temp_folder folder;
    const text_file text(some_text(300));
    const importance_matrix measured = measure_now(options_of(model, text.path, folder.file("m.gguf"))).measured;
    const plain_sums plain = plain_measurement(model, text.path, 32);
    CHECK_EQUAL(measured.entries.size(), n_expected);
    CHECK_EQUAL(plain.sums.size(), n_expected);
    for (const auto & [name, entry] : measured.entries) {
        CHECK(entry.counts == plain.counts.at(name));
        report(difference(entry.sums, plain.sums.at(name), 1e-9) < 1e-4, __FILE__, __LINE__, name);
    }
    check_as_llama_reads(folder.file("m.gguf"), read_importance_matrix(folder.file("m.gguf")));
}

}  // namespace

TEST("a matrix comes back from its file, and llama.cpp reads the same in it") {
    const temp_folder folder;
    const std::string path = folder.file("m.gguf");
    write_importance_matrix(path, some_matrix());
    const importance_matrix read = read_importance_matrix(path);
    CHECK_EQUAL(read.n_samples, (uint64_t) 12);
    CHECK_EQUAL(read.window, 512u);
    CHECK(read.texts == some_matrix().texts);
    CHECK(read.entries.at("blk.0.attn_q.weight").sums == some_matrix().entries.at("blk.0.attn_q.weight").sums);
    check_as_llama_reads(path, read);
    CHECK(mean_squares(read.entries.at("blk.0.ffn_up_exps.weight")) ==
          (std::vector<float>{ 1 / 7.0f, 2 / 7.0f, 1, 1, 5 / 9.0f, 6 / 9.0f }));
    CHECK_EQUAL(folder.n_files(), (size_t) 1);
    CHECK_FAILURE(error_code::file_write_failed, write_importance_matrix(folder.file("no/m.gguf"), some_matrix()));
}

TEST("a matrix of the older kind is read as llama.cpp reads it") {
    const temp_folder folder;
    const std::string path = folder.file("m.dat");
    put_bytes(path, legacy_bytes());
    const importance_matrix read = read_importance_matrix(path);
    check_as_llama_reads(path, read);
    CHECK(mean_squares(read.entries.at("blk.1.attn_q.weight")) == (std::vector<float>{ 0.5f / 3, 2, 0, 1e4f / 3 }));
}

TEST("files that are cut off or changed are refused, or have sound values") {
    const temp_folder folder;
    const std::string path = folder.file("m.gguf");
    write_importance_matrix(path, some_matrix());
    std::mt19937 random(3);
    for (const std::string & whole : { bytes_of(path), legacy_bytes() }) {
        const bool is_legacy = whole.compare(0, 4, "GGUF") != 0;
        // The older kind ends where it likes, from the end of its entries on.
        const size_t n_needed = is_legacy ? whole.size() - 4 - 4 - 7 : whole.size() - 20;
        for (size_t n = 0; n < n_needed; n++) {
            put_bytes(path, whole.substr(0, n));
            CHECK_FAILURE(error_code::importance_invalid, read_importance_matrix(path));
        }
        for (size_t i = 0; i < 2000; i++) {
            std::string changed = whole;
            changed[random() % changed.size()] ^= (char) (1 + random() % 255);
            put_bytes(path, changed);
            try {
                for (const auto & [name, entry] : read_importance_matrix(path).entries)
                    for (const float mean : mean_squares(entry)) CHECK(mean >= 0 && mean <= 1e20f);
            } catch (const failure & error) {
                CHECK(error.code() == error_code::importance_invalid);
            }
        }
    }
}

TEST("names of the older kind that no tensor can have are refused") {
    const temp_folder folder;
    const std::string path = folder.file("m.dat");
    const std::string longest(55, 'a');
    put_bytes(path, legacy_bytes({ longest }));
    write_importance_matrix(folder.file("m.gguf"), read_importance_matrix(path));
    CHECK(read_importance_matrix(folder.file("m.gguf")).entries.count(longest) == 1);
    for (const std::string & name : { longest + "a", std::string("\0b", 2) }) {
        put_bytes(path, legacy_bytes({ name }));
        CHECK_FAILURE(error_code::importance_invalid, read_importance_matrix(path));
    }
}

TEST("what is measured is what a plain callback sees, of dense models and of experts") {
    tiny_model shape;
    const model_path dense(shape);
    check_measured(dense.str(), 14);
    const temp_folder folder;
    write_tiny_experts(shape, folder.file("experts.gguf"));
    check_measured(folder.file("experts.gguf"), 16);
}

TEST("a matrix that is measured quantises what needs one, experts too, as llama.cpp does by it") {
    const temp_folder folder;
    const text_file text(some_text(300));
    tiny_model shape;
    shape.n_layer = 1;
    shape.n_embd = shape.n_ff = 256;
    const std::string model = folder.file("experts.gguf");
    write_tiny_experts(shape, model);
    quantize_options options;
    options.model_path = model;
    options.importance_path = folder.file("m.gguf");
    options.out_path = folder.file("ours.gguf");
    matrix_options measuring = options_of(model, text.path, options.importance_path);
    measuring.window = 64;
    measure_now(measuring);
    for (const char * type : { "iq2_xs", "q4_k_m", "mxfp4_moe", "iq1_m" }) {
        options.type = type;
        CHECK(reference_quantize(options, folder.file("theirs.gguf")));
        CHECK_EQUAL(quantize_now(options).n_weighted > 0, std::string(type) != "mxfp4_moe");
        report(bytes_of(options.out_path) == bytes_of(folder.file("theirs.gguf")), __FILE__, __LINE__, type);
    }
}

TEST("two texts one after the other are two matrices merged") {
    const temp_folder folder;
    const model_path model(tiny_model{});
    const text_file first(some_text(300)), second(some_text(400, 2));
    const std::string one = folder.file("1.gguf"), two = folder.file("2.gguf");
    matrix_options options = options_of(model.str(), first.path, one);
    options.text_paths = { first.path, second.path };
    const importance_matrix both = measure_now(options).measured;
    options.text_paths = { second.path };
    const uint64_t n_tokens = measure_now(options).n_tokens;
    options.text_paths = { first.path };
    options.merge_paths = { one };
    options.out_path = two;
    const matrix_result merged = measure_now(options);
    CHECK_EQUAL(merged.measured.n_samples, both.n_samples);
    CHECK_EQUAL((merged.n_tokens + n_tokens) / 32, both.n_samples);
    CHECK_EQUAL(both.texts.size(), (size_t) 2);
    for (const auto & [name, entry] : both.entries) {
        CHECK(entry.counts == merged.measured.entries.at(name).counts);
        CHECK(difference(entry.sums, merged.measured.entries.at(name).sums, 1e-9) < 1e-5);
    }
    // In its own place, and without a text.
    options.text_paths = {};
    options.out_path = one;
    CHECK_EQUAL(measure_now(options).n_tokens, (uint64_t) 0);
    options.max_samples = 1;
    options.merge_paths = {};
    options.text_paths = { first.path, second.path };
    CHECK_EQUAL(measure_now(options).measured.n_samples, (uint64_t) 2);
}

TEST("what cannot be measured is refused, and leaves no file") {
    const temp_folder folder;
    const model_path model(tiny_model{});
    const text_file text(some_text(300));
    const std::string out = folder.file("m.gguf");
    const matrix_options good = options_of(model.str(), text.path, out);
    const auto refused = [&](error_code code, const std::function<void(matrix_options &)> & edit) {
        matrix_options options = good;
        edit(options);
        return CHECK_FAILURE(code, measure_now(options));
    };
    refused(error_code::invalid_argument, [](matrix_options & o) { o.text_paths = {}; });
    refused(error_code::invalid_argument, [](matrix_options & o) { o.window = 15; });
    refused(error_code::invalid_argument, [](matrix_options & o) { o.window = 5000; });
    refused(error_code::invalid_argument, [](matrix_options & o) { o.window = 4096; });  // longer than the text
    refused(error_code::invalid_argument, [](matrix_options & o) { o.out_path = o.model.path; });
    refused(error_code::file_read_failed, [](matrix_options & o) { o.text_paths = { "no such text" }; });
    refused(error_code::model_not_found, [](matrix_options & o) { o.model.path = "no such model"; });
    CHECK_EQUAL(folder.n_files(), (size_t) 0);

    const std::string other = folder.file("other.gguf");
    write_importance_matrix(other, some_matrix());
    refused(error_code::importance_mismatch, [&](matrix_options & o) { o.merge_paths = { other }; });
    put_bytes(other, legacy_bytes());
    refused(error_code::importance_invalid, [&](matrix_options & o) { o.merge_paths = { other }; });
    CHECK_EQUAL(folder.n_files(), (size_t) 1);

    for (const double at : { 0.0, 0.4 }) {
        std::atomic<bool> stop{ false };
        CHECK_FAILURE(error_code::aborted,
                      measure_importance_matrix(
                          good,
                          [&](const quantize_progress & progress) {
                              if (progress.stage == quantize_stage::calibrating && progress.fraction >= at) stop = true;
                          },
                          stop));
    }
    CHECK_EQUAL(folder.n_files(), (size_t) 1);
}
