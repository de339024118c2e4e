// The importance file (GGUF, little-endian):
//
//   general.architecture            "overfill-importance", so that nothing takes it for a model
//   general.type                    "importance"
//   overfill.importance.version     u32: 1
//   overfill.importance.fingerprint, .model_name, .architecture, .text
//   overfill.importance.embedding_length, .feed_forward_length, .head_count, .block_count, .window    u32
//   overfill.importance.samples, .tokens, .scored                                                     u64
//   overfill.importance.loss_sum                                                                      f64
//
// and the sums of importance.h as f64: hidden.signed and hidden.absolute [n_embd], hidden_layers.* [n_embd, n_layer],
// ffn.* [n_ff, n_layer], heads [n_head, n_layer], influence [n_layer].
#include "atomic_file.h"
#include "failure.h"
#include "gguf_metadata.h"
#include "gguf_writing.h"
#include "importance.h"
#include "input_file.h"
#include "whole_number.h"

#include <ggml-cpp.h>
#include <gguf.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>

namespace overfill {

namespace fs = std::filesystem;

static constexpr uint32_t file_version = 1;
static constexpr uint32_t most_layers = 512;  // llama.cpp's own bound
static constexpr uint32_t most_channels = 1 << 20;
static const char * const file_architecture = "overfill-importance";
static const char * const file_type = "importance";
static const std::string key_prefix = "overfill.importance.";

// Calls use(name, values, n_columns, n_rows) for each array, in the file's order.
template <class Importance, class F> static void each_array(Importance & measured, F && use) {
    static const char * const means[] = { "signed", "absolute" };
    for (size_t mean = 0; mean < n_activation_means; mean++) {
        const std::string ending = std::string(".") + means[mean];
        use("hidden" + ending, measured.hidden[mean], measured.n_embd, 1u);
        use("hidden_layers" + ending, measured.hidden_layers[mean], measured.n_embd, measured.n_layer);
        use("ffn" + ending, measured.ffn[mean], measured.n_ff, measured.n_layer);
    }
    use(std::string("heads"), measured.heads, measured.n_head, measured.n_layer);
    use(std::string("influence"), measured.influence, measured.n_layer, 1u);
}

// Calls use(name, value) for each of the texts, sizes and counts. A template, for reading and for writing.
template <class Importance, class F> static void each_text(Importance & measured, F && use) {
    use("fingerprint", measured.fingerprint);
    use("model_name", measured.model_name);
    use("architecture", measured.architecture);
    use("text", measured.text_name);
}
template <class Importance, class F> static void each_size(Importance & measured, F && use) {
    use("embedding_length", measured.n_embd, most_channels);
    use("feed_forward_length", measured.n_ff, most_channels);
    use("head_count", measured.n_head, most_channels);
    use("block_count", measured.n_layer, most_layers);
    use("window", measured.window, UINT32_MAX);
}
template <class Importance, class F> static void each_count(Importance & measured, F && use) {
    use("samples", measured.n_samples);
    use("tokens", measured.n_tokens);
    use("scored", measured.n_scored);
}

// --- reading ---

namespace {

class importance_reader {
  public:
    explicit importance_reader(const std::string & path) : path_(path), meta_(path, error_code::importance_invalid) {}

    importance read() {
        if (meta_.text("general.type") != file_type) refuse("is a GGUF file, but not an importance file");
        const double version = meta_.number(key_prefix + "version").value_or(0);
        if (version != file_version)
            refuse("has importance version " + number_text(version) + "; version " + std::to_string(file_version) +
                   " is supported");
        read_facts();
        check_end();
        size_t n_arrays = 0;
        each_array(out_,
                   [&](const std::string & name, std::vector<double> & values, uint32_t n_columns, uint32_t n_rows) {
                       values = read_array(name, n_columns, n_rows);
                       n_arrays++;
                   });
        if ((size_t) gguf_get_n_tensors(meta_.get()) != n_arrays)
            refuse("has tensors that do not belong in an importance file");
        return std::move(out_);
    }

  private:
    [[noreturn]] void refuse(const std::string & what) const {
        throw failure(error_code::importance_invalid, path_ + " " + what, { { "path", path_ } });
    }

    double number(const std::string & key, double least, double most) const {
        const double value = meta_.number(key_prefix + key).value_or(NAN);
        if (!(value >= least && value <= most)) refuse("has no valid " + key_prefix + key);
        return value;
    }

    uint64_t count(const std::string & key, double least, double most) const {
        const double value = number(key, least, most);
        if (value != std::floor(value)) refuse("has no valid " + key_prefix + key);
        return (uint64_t) value;
    }

    void read_facts() {
        each_text(out_, [&](const char * key, std::string & value) {
            const auto text = meta_.text(key_prefix + key);
            if (!text) refuse("has no " + key_prefix + key);
            value = *text;
        });
        each_size(out_,
                  [&](const char * key, uint32_t & value, uint32_t most) { value = (uint32_t) count(key, 1, most); });
        each_count(out_, [&](const char * key, uint64_t & value) { value = count(key, 0, 9e15); });
        out_.loss_sum = number("loss_sum", 0, std::numeric_limits<double>::max());
        if (out_.n_samples == 0) refuse("has no samples");
    }

    // A file that was cut off or added to.
    void check_end() const {
        const gguf_context * gguf = meta_.get();
        uint64_t end = gguf_get_data_offset(gguf);
        for (int64_t id = 0; id < gguf_get_n_tensors(gguf); id++)
            end += GGML_PAD(gguf_get_tensor_size(gguf, id), gguf_get_alignment(gguf));
        std::error_code error;
        const uint64_t n_bytes = fs::file_size(fs::u8path(path_), error);
        if (error || n_bytes != end)
            refuse("has " + std::to_string(n_bytes) + " bytes; " + std::to_string(end) + " were expected");
    }

    std::vector<double> read_array(const std::string & name, uint32_t n_columns, uint32_t n_rows) const {
        const int64_t id = gguf_find_tensor(meta_.get(), name.c_str());
        if (id < 0) refuse("has no tensor " + name);
        const int64_t * ne = gguf_get_tensor_ne(meta_.get(), id);
        if (gguf_get_tensor_type(meta_.get(), id) != GGML_TYPE_F64 || ne[0] != n_columns || ne[1] != n_rows ||
            ne[2] != 1 || ne[3] != 1)
            refuse("has " + name + " with a shape that contradicts its sizes");
        const std::vector<uint8_t> bytes = meta_.tensor_bytes(id);
        std::vector<double> values((size_t) n_columns * n_rows);
        if (bytes.size() != values.size() * sizeof(double))
            refuse("is truncated: " + name + " extends past the end of the file");
        std::memcpy(values.data(), bytes.data(), bytes.size());
        for (const double value : values)
            if (!std::isfinite(value) || value < 0) refuse("has " + std::to_string(value) + " in " + name);
        return values;
    }

    std::string path_;
    gguf_metadata meta_;
    importance out_;
};

}  // namespace

bool is_importance_file(const std::string & path) { return is_gguf_of_type(path, file_type); }

importance read_importance(const std::string & path) {
    check_input_file(path, data_codes);
    return importance_reader(path).read();
}

// --- writing ---

void write_importance(const std::string & path, const importance & measured) {
    const gguf_context_ptr gguf(gguf_init_empty());
    const auto key = [](const char * name) { return key_prefix + name; };
    gguf_set_val_str(gguf.get(), "general.architecture", file_architecture);
    gguf_set_val_str(gguf.get(), "general.type", file_type);
    gguf_set_val_u32(gguf.get(), key("version").c_str(), file_version);
    each_text(measured, [&](const char * name, const std::string & value) {
        gguf_set_val_str(gguf.get(), key(name).c_str(), value.c_str());
    });
    each_size(measured, [&](const char * name, uint32_t value, uint32_t) {
        gguf_set_val_u32(gguf.get(), key(name).c_str(), value);
    });
    each_count(measured,
               [&](const char * name, uint64_t value) { gguf_set_val_u64(gguf.get(), key(name).c_str(), value); });
    gguf_set_val_f64(gguf.get(), key("loss_sum").c_str(), measured.loss_sum);

    constexpr size_t most_arrays = 16;
    const ggml_context_ptr tensors(ggml_init({ most_arrays * ggml_tensor_overhead(), nullptr, /*no_alloc*/ true }));
    each_array(measured, [&](const std::string & name, const std::vector<double> & values, uint32_t n_columns,
                             uint32_t n_rows) {
        if (values.size() != (size_t) n_columns * n_rows || values.empty())
            throw failure(error_code::internal, "an importance with " + std::to_string(values.size()) + " " + name);
        ggml_tensor * tensor = ggml_new_tensor_2d(tensors.get(), GGML_TYPE_F64, n_columns, n_rows);
        ggml_set_name(tensor, name.c_str());
        gguf_add_tensor(gguf.get(), tensor);
    });

    const std::vector<uint8_t> head = head_of(gguf.get());
    atomic_file file(path);
    file.write(head.data(), head.size());
    each_array(measured, [&](const std::string &, const std::vector<double> & values, uint32_t, uint32_t) {
        static const uint8_t zeros[GGUF_DEFAULT_ALIGNMENT] = {};
        const size_t n_bytes = values.size() * sizeof(double);
        file.write(values.data(), n_bytes);
        file.write(zeros, GGML_PAD(n_bytes, GGUF_DEFAULT_ALIGNMENT) - n_bytes);
    });
    file.commit();
}

}  // namespace overfill
