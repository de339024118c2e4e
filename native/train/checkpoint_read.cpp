#include "checkpoint.h"
#include "checkpoint_layout.h"
#include "checkpoint_state.h"
#include "failure.h"
#include "file_reader.h"
#include "gguf_metadata.h"
#include "input_file.h"
#include "whole_number.h"
#include "word_hash.h"

#include <algorithm>
#include <cmath>

namespace overfill {

using namespace checkpoint_layout;

namespace {

class checkpoint_reader {
  public:
    explicit checkpoint_reader(const std::string & path) : path_(path) {
        check_hash();
        file_ = std::make_unique<gguf_metadata>(path, error_code::checkpoint_invalid);
    }

    training_state read(const run_facts & facts, const trained_values & values) {
        if (file_->text("general.type") != file_type) refuse("is a GGUF file, but not a checkpoint");
        const double version = file_->number(key_prefix + "version").value_or(0);
        if (version != file_version)
            refuse("has checkpoint version " + number_text(version) + "; version " + std::to_string(file_version) +
                   " is supported");
        check_facts(facts);
        if (texts("tensors") != names_of(values.trained)) refuse("holds the weights of other tensors");
        training_state state = read_state();
        read_tensors(values);
        return state;
    }

  private:
    [[noreturn]] void refuse(const std::string & what, error_details details = {}) const {
        details.emplace_back("path", path_);
        throw failure(error_code::checkpoint_invalid, path_ + " " + what, details);
    }

    void check_hash() {
        check_input_file(path_, data_codes);
        const file_reader in(path_);
        uint64_t expected = 0;
        if (in.size() < sizeof expected || in.size() % sizeof expected != 0)
            refuse("is not a checkpoint, or is damaged");
        word_hash hash;
        std::vector<char> piece((size_t) 1 << 20);
        const uint64_t n_hashed = in.size() - sizeof expected;
        for (uint64_t at = 0; at < n_hashed;) {
            const size_t n = (size_t) std::min<uint64_t>(n_hashed - at, piece.size());
            in.read(at, piece.data(), n);
            hash.add(piece.data(), n);
            at += n;
        }
        in.read(n_hashed, &expected, sizeof expected);
        if (hash.value() != expected) refuse("is not a checkpoint, or is damaged");
    }

    void check_facts(const run_facts & facts) const {
        const std::vector<std::string> names = texts("facts.names"), values = texts("facts.values");
        if (names.size() != values.size()) refuse("has no valid list of facts");
        const auto differs = [&](const std::string & name, const std::string & there, const std::string & here) {
            refuse("belongs to another training run: its " + name + " is " + there + ", not " + here,
                   { { "fact", name } });
        };
        for (size_t i = 0; i < std::max(names.size(), facts.size()); i++) {
            if (i >= facts.size()) differs(names[i], values[i], "not set");
            const auto & [name, value] = facts[i];
            if (i >= names.size() || names[i] != name) differs(name, "not set", value);
            if (values[i] != value) differs(name, values[i], value);
        }
    }

    int64_t array(const std::string & name, gguf_type type) const {
        const int64_t key = gguf_find_key(file_->get(), (key_prefix + name).c_str());
        if (key >= 0 &&
            (gguf_get_kv_type(file_->get(), key) != GGUF_TYPE_ARRAY || gguf_get_arr_type(file_->get(), key) != type))
            refuse("has no valid " + name);
        return key;
    }

    template <class T> std::vector<T> list(const std::string & name, gguf_type type) const {
        const int64_t key = array(name, type);
        if (key < 0) return {};
        const auto * data = static_cast<const T *>(gguf_get_arr_data(file_->get(), key));
        return { data, data + gguf_get_arr_n(file_->get(), key) };
    }

    std::vector<std::string> texts(const std::string & name) const {
        const int64_t key = array(name, GGUF_TYPE_STRING);
        std::vector<std::string> out;
        for (size_t i = 0; key >= 0 && i < gguf_get_arr_n(file_->get(), key); i++)
            out.emplace_back(gguf_get_arr_str(file_->get(), key, i));
        return out;
    }

    training_state read_state() const {
        training_state state;
        each_number(state, [&](const char * name, uint64_t & value) {
            const int64_t key = gguf_find_key(file_->get(), (key_prefix + name).c_str());
            if (key < 0 || gguf_get_kv_type(file_->get(), key) != GGUF_TYPE_UINT64)
                refuse(std::string("has no valid ") + name);
            value = gguf_get_val_u64(file_->get(), key);
        });
        state_lists lists;
        each_list(
            lists, [&](const char * name, auto & words) { words = list<uint64_t>(name, GGUF_TYPE_UINT64); },
            [&](const char * name, auto & reals) {
                reals = list<double>(name, GGUF_TYPE_FLOAT64);
                for (const double value : reals)
                    if (!std::isfinite(value)) refuse(std::string("has no valid ") + name);
            },
            [&](const char * name, auto & list) { list = texts(name); });
        if (!put_lists(lists, state)) refuse("has lists that do not belong together");
        return state;
    }

    std::vector<float> read_tensor(const std::string & name, const ggml_tensor * like) const {
        const int64_t id = gguf_find_tensor(file_->get(), name.c_str());
        if (id < 0) refuse("has no tensor " + name);
        if (gguf_get_tensor_type(file_->get(), id) != GGML_TYPE_F32 ||
            !std::equal(like->ne, like->ne + GGML_MAX_DIMS, gguf_get_tensor_ne(file_->get(), id)))
            refuse("has " + name + " with a different shape from the model's");
        const std::vector<uint8_t> bytes = file_->tensor_bytes(id);
        std::vector<float> values((size_t) ggml_nelements(like));
        if (bytes.size() != values.size() * sizeof(float))
            refuse("is truncated: " + name + " extends past the end of the file");
        std::memcpy(values.data(), bytes.data(), bytes.size());
        for (const float value : values)
            if (!std::isfinite(value)) refuse("has values in " + name + " that are not finite numbers");
        return values;
    }

    void read_tensors(const trained_values & values) const {
        const parameter_list & trained = values.trained;
        const bool keeps_best = gguf_find_tensor(file_->get(), best_name(0).c_str()) >= 0;
        if ((size_t) gguf_get_n_tensors(file_->get()) != (keeps_best ? 4 : 3) * trained.size())
            refuse("has tensors that do not belong in a checkpoint");
        each_tensor(values, [&](const std::string & name, ggml_tensor * tensor) {
            const std::vector<float> read = read_tensor(name, tensor);
            ggml_backend_tensor_set(tensor, read.data(), 0, read.size() * sizeof(float));
        });
        values.best.clear();
        for (size_t i = 0; keeps_best && i < trained.size(); i++)
            values.best.push_back(read_tensor(best_name(i), trained[i]));
    }

    std::string path_;
    std::unique_ptr<gguf_metadata> file_;
};

}  // namespace

training_state read_checkpoint(const std::string & path, const run_facts & facts, const trained_values & values) {
    training_state state = checkpoint_reader(path).read(facts, values);
    values.optimiser.set_n_steps(state.n_steps);
    return state;
}

}  // namespace overfill
