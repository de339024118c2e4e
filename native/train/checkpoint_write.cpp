#include "atomic_file.h"
#include "checkpoint.h"
#include "checkpoint_layout.h"
#include "checkpoint_state.h"
#include "failure.h"
#include "gguf_writing.h"
#include "word_hash.h"

#include <ggml-cpp.h>
#include <gguf.h>

#include <cmath>

namespace overfill {

using namespace checkpoint_layout;

namespace {

// Empty lists are left out: an absent one is read as empty.
class metadata_writer {
  public:
    metadata_writer(gguf_context * gguf) : gguf_(gguf) {}

    void number(const std::string & name, uint64_t value) {
        gguf_set_val_u64(gguf_, (key_prefix + name).c_str(), value);
    }
    void words(const std::string & name, const std::vector<uint64_t> & list) {
        if (!list.empty())
            gguf_set_arr_data(gguf_, (key_prefix + name).c_str(), GGUF_TYPE_UINT64, list.data(), list.size());
    }
    void reals(const std::string & name, const std::vector<double> & list) {
        if (!list.empty())
            gguf_set_arr_data(gguf_, (key_prefix + name).c_str(), GGUF_TYPE_FLOAT64, list.data(), list.size());
    }
    void texts(const std::string & name, const std::vector<std::string> & list) {
        std::vector<const char *> pointers;
        for (const std::string & text : list) pointers.push_back(text.c_str());
        if (!list.empty()) gguf_set_arr_str(gguf_, (key_prefix + name).c_str(), pointers.data(), pointers.size());
    }

  private:
    gguf_context * gguf_;
};

// An atomic file and the hash of all that is written to it.
class hashed_file {
  public:
    explicit hashed_file(const std::string & path) : file_(path) {}

    void write(const void * data, size_t n_bytes) {
        hash_.add(data, n_bytes);
        file_.write(data, n_bytes);
    }
    // The hash goes by words of eight bytes: every part of the file has to be a multiple of them.
    void write_padded(const std::vector<float> & values) {
        static const uint8_t zeros[GGUF_DEFAULT_ALIGNMENT] = {};
        const size_t n_bytes = values.size() * sizeof(float);
        const size_t n_whole = n_bytes / sizeof(uint64_t) * sizeof(uint64_t), n_rest = n_bytes - n_whole;
        write(values.data(), n_whole);
        uint8_t last[GGUF_DEFAULT_ALIGNMENT] = {};
        std::memcpy(last, reinterpret_cast<const uint8_t *>(values.data()) + n_whole, n_rest);
        const size_t n_padded = GGML_PAD(n_bytes, GGUF_DEFAULT_ALIGNMENT) - n_whole;
        write(n_rest > 0 ? last : zeros, n_padded);
    }
    void commit() {
        const uint64_t hash = hash_.value();
        file_.write(&hash, sizeof hash);
        file_.commit();
    }

  private:
    atomic_file file_;
    word_hash hash_;
};

}  // namespace

static void check_finite(const std::vector<float> & values, const std::string & name) {
    for (const float value : values)
        if (!std::isfinite(value))
            throw failure(error_code::training_diverged,
                          "training diverged: the values of " + name + " are no longer finite numbers",
                          { { "tensor", name } });
}

void write_checkpoint(const std::string & path, const run_facts & facts, const training_state & state,
                      const trained_values & values) {
    const gguf_context_ptr gguf(gguf_init_empty());
    gguf_set_val_str(gguf.get(), "general.architecture", file_architecture);
    gguf_set_val_str(gguf.get(), "general.type", file_type);
    gguf_set_val_u32(gguf.get(), (key_prefix + "version").c_str(), file_version);
    metadata_writer out(gguf.get());
    std::vector<std::string> fact_names, fact_values;
    for (const auto & [name, value] : facts) {
        fact_names.push_back(name);
        fact_values.push_back(value);
    }
    out.texts("facts.names", fact_names);
    out.texts("facts.values", fact_values);
    out.texts("tensors", names_of(values.trained));
    each_number(state, [&](const char * name, uint64_t value) { out.number(name, value); });
    const state_lists lists = lists_of(state);
    each_list(
        lists, [&](const char * name, const auto & list) { out.words(name, list); },
        [&](const char * name, const auto & list) { out.reals(name, list); },
        [&](const char * name, const auto & list) { out.texts(name, list); });

    const parameter_list & trained = values.trained;
    const ggml_context_ptr shapes = make_tensor_context(4 * trained.size());
    const auto add_shape = [&](const std::string & name, const ggml_tensor * from) {
        ggml_tensor * tensor = ggml_dup_tensor(shapes.get(), from);
        ggml_set_name(tensor, name.c_str());
        gguf_add_tensor(gguf.get(), tensor);
    };
    each_tensor(values, add_shape);
    for (size_t i = 0; i < values.best.size(); i++) add_shape(best_name(i), trained[i]);

    const std::vector<uint8_t> head = head_of(gguf.get());
    hashed_file file(path);
    file.write(head.data(), head.size());
    std::vector<float> copy;
    each_tensor(values, [&](const std::string &, const ggml_tensor * tensor) {
        copy.resize((size_t) ggml_nelements(tensor));
        ggml_backend_tensor_get(tensor, copy.data(), 0, copy.size() * sizeof(float));
        check_finite(copy, tensor->name);
        file.write_padded(copy);
    });
    for (const std::vector<float> & best : values.best) file.write_padded(best);
    file.commit();
}

}  // namespace overfill
