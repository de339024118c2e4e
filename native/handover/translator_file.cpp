#include "translator_file.h"

#include "failure.h"
#include "gguf_metadata.h"
#include "gguf_writing.h"
#include "input_file.h"
#include "whole_number.h"

#include <ggml-cpp.h>
#include <gguf.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <optional>

namespace overfill {

static constexpr uint32_t file_version = 1;
static constexpr int64_t max_layers = 512;  // llama.cpp's own bound
static constexpr int64_t max_width = 1 << 20;
static const char * const file_architecture = "overfill-translator";
static const char * const file_type = "translator";

static bool is_weight_type(ggml_type type) {
    return type == GGML_TYPE_F32 || type == GGML_TYPE_F16 || type == GGML_TYPE_Q8_0;
}

static void to_floats(ggml_type type, const void * from, float * to, int64_t n) {
    if (type == GGML_TYPE_F32)
        std::memcpy(to, from, (size_t) n * sizeof(float));
    else
        ggml_get_type_traits(type)->to_float(from, to, n);
}

static bool all_finite(const std::vector<float> & values) {
    return std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
}

// --- reading ---

namespace {

class translator_reader {
  public:
    explicit translator_reader(const std::string & path) : path_(path), meta_(path, error_code::translator_invalid) {}

    translator read(translator_file_info * info) {
        if (meta_.text("general.type") != file_type) refuse("is a GGUF file, but not a translator");
        const double version = meta_.number("translator.version").value_or(0);
        if (version != file_version)
            refuse("has translator version " + number_text(version) + "; version " + std::to_string(file_version) +
                   " is supported");
        read_facts();
        read_layers();
        for (int64_t i = 0; i < gguf_get_n_tensors(meta_.get()); i++) read_tensor(i);
        finish_maps();
        const std::string kind = meta_.text("translator.kind").value_or("");
        if (kind != (out_.has_maps() ? "linear" : "layers"))
            refuse("is of kind '" + kind + "', but has " + (out_.has_maps() ? "" : "no ") + "linear maps");
        if (info) info->weight_type = weight_type_.value_or(GGML_TYPE_F32);
        return std::move(out_);
    }

  private:
    // The parts of a linear map while its tensors come in.
    struct parts {
        std::shared_ptr<linear_map> k, v, kv;
    };

    [[noreturn]] void refuse(const std::string & what) const {
        throw failure(error_code::translator_invalid, path_ + " " + what, { { "path", path_ } });
    }

    double measured(const char * key) const {
        const double value = meta_.number(key).value_or(0);
        if (!std::isfinite(value) || value < 0) refuse(std::string("has ") + key + " = " + std::to_string(value));
        return value;
    }

    void read_facts() {
        out_.source_fingerprint = meta_.text("translator.source.fingerprint").value_or("");
        out_.target_fingerprint = meta_.text("translator.target.fingerprint").value_or("");
        out_.source_name = meta_.text("translator.source.name").value_or("");
        out_.target_name = meta_.text("translator.target.name").value_or("");
        out_.loss.alone = measured("translator.loss.alone");
        out_.loss.unmapped = measured("translator.loss.unmapped");
        out_.loss.mapped = measured("translator.loss.mapped");
        out_.n_fit_tokens = (uint64_t) std::min(measured("translator.fit_tokens"), 9e18);
        const auto before_rope = meta_.flag("translator.before_rope");
        if (!before_rope) refuse("does not say whether it works before RoPE");
        out_.before_rope = *before_rope;
    }

    void read_layers() {
        const double n = meta_.number("translator.layer_count").value_or(-1);
        if (!(n >= 0 && n <= max_layers) || n != std::floor(n))
            refuse("has no layer count between 0 and " + std::to_string(max_layers));
        n_layer_ = (size_t) n;
        for (const double layer : by_layer("translator.layers")) {
            if (layer != std::floor(layer) || layer < 0 || layer >= max_layers)
                refuse("maps from layer " + number_text(layer) + ", which no model has");
            out_.layers.push_back((int32_t) layer);
        }
        for (auto [key, errors] :
             { std::pair{ "translator.error.k", &out_.error_k }, std::pair{ "translator.error.v", &out_.error_v } })
            for (const double error : by_layer(key)) {
                if (!std::isfinite(error) || error < 0)
                    refuse(std::string("has ") + key + " = " + std::to_string(error));
                errors->push_back((float) error);
            }
    }

    std::vector<double> by_layer(const char * key) const {
        const std::vector<double> values = meta_.numbers(key);
        if (meta_.has(key) && values.size() != n_layer_)
            refuse("has " + std::to_string(values.size()) + " values in " + key + " for " + std::to_string(n_layer_) +
                   " layers");
        return values;
    }

    // blk.<layer>.<k, v or kv>.<weight or bias>
    void read_tensor(int64_t id) {
        const std::string name = gguf_get_tensor_name(meta_.get(), id);
        int layer = -1;
        char which[3] = {}, part[7] = {};
        if (std::sscanf(name.c_str(), "blk.%3d.%2[kv].%6[a-z]", &layer, which, part) != 3 || !is_known(which, part) ||
            name != "blk." + std::to_string(layer) + "." + which + "." + part)
            refuse("has the unknown tensor " + name);
        if (layer < 0 || (size_t) layer >= n_layer_)
            refuse("has " + name + ", but only " + std::to_string(n_layer_) + " layers");
        parts_.resize(n_layer_);
        parts & of = parts_[(size_t) layer];
        std::shared_ptr<linear_map> & map = which[1] ? of.kv : which[0] == 'k' ? of.k : of.v;
        if (!map) map = std::make_shared<linear_map>();
        if (part[0] == 'w')
            read_weight(id, name, *map);
        else
            read_bias(id, name, *map);
    }

    static bool is_known(const std::string & which, const std::string & part) {
        return (which == "k" || which == "v" || which == "kv") && (part == "weight" || part == "bias");
    }

    std::vector<float> values(int64_t id, const std::string & name) const {
        const ggml_type type = gguf_get_tensor_type(meta_.get(), id);
        const std::vector<uint8_t> bytes = meta_.tensor_bytes(id);
        if (bytes.empty()) refuse("is truncated: tensor " + name + " extends past the end of the file");
        std::vector<float> out(bytes.size() / ggml_type_size(type) * (size_t) ggml_blck_size(type));
        to_floats(type, bytes.data(), out.data(), (int64_t) out.size());
        if (!all_finite(out)) refuse("has values in " + name + " that are not finite numbers");
        return out;
    }

    void read_weight(int64_t id, const std::string & name, linear_map & map) {
        const ggml_type type = gguf_get_tensor_type(meta_.get(), id);
        if (!is_weight_type(type))
            refuse("has " + name + " as " + ggml_type_name(type) + ", expected f32, f16 or q8_0");
        const int64_t * ne = gguf_get_tensor_ne(meta_.get(), id);
        if (ne[0] < 1 || ne[0] > max_width || ne[1] < 1 || ne[1] > max_width || ne[2] != 1 || ne[3] != 1)
            refuse("has " + name + " with an impossible shape");
        map.n_in = (uint32_t) ne[0];
        map.n_out = (uint32_t) ne[1];
        map.weight = values(id, name);
        if (!weight_type_) weight_type_ = type;
    }

    void read_bias(int64_t id, const std::string & name, linear_map & map) {
        const int64_t * ne = gguf_get_tensor_ne(meta_.get(), id);
        if (gguf_get_tensor_type(meta_.get(), id) != GGML_TYPE_F32 || ne[0] < 1 || ne[1] != 1 || ne[2] != 1 ||
            ne[3] != 1)
            refuse("has " + name + ", which is not a vector of f32");
        map.bias = values(id, name);
    }

    void check(const linear_map * map, size_t layer) const {
        if (!map) return;
        const std::string where = " in layer " + std::to_string(layer);
        if (map->weight.empty()) refuse("has a bias without a weight" + where);
        if (!map->bias.empty() && map->bias.size() != map->n_out)
            refuse("has a bias of " + std::to_string(map->bias.size()) + " values for " + std::to_string(map->n_out) +
                   " outputs" + where);
    }

    void finish_maps() {
        for (size_t i = 0; i < parts_.size(); i++) {
            parts & of = parts_[i];
            for (const auto * map : { &of.k, &of.v, &of.kv }) check(map->get(), i);
            if (of.kv && (of.k || of.v))
                refuse("has both a common map and maps for K or V in layer " + std::to_string(i));
            if (of.kv) of.k = of.v = of.kv;
            set(out_.k, i, of.k);
            set(out_.v, i, of.v);
        }
    }

    void set(std::vector<std::shared_ptr<const linear_map>> & maps, size_t layer, std::shared_ptr<linear_map> map) {
        if (!map) return;
        maps.resize(n_layer_);
        maps[layer] = std::move(map);
    }

    std::string path_;
    gguf_metadata meta_;
    translator out_;
    size_t n_layer_ = 0;
    std::vector<parts> parts_;
    std::optional<ggml_type> weight_type_;
};

}  // namespace

bool is_translator_file(const std::string & path) { return is_gguf_of_type(path, file_type); }

translator read_translator(const std::string & path, translator_file_info * info) {
    const uint64_t n_bytes = check_input_file(path, model_codes);
    if (info) info->n_bytes = n_bytes;
    return translator_reader(path).read(info);
}

// --- writing ---

void check_weight_type(ggml_type weight_type, uint32_t n_in) {
    if (!is_weight_type(weight_type))
        throw failure(error_code::invalid_argument,
                      std::string("weights cannot be stored as ") + ggml_type_name(weight_type),
                      { { "parameter", "weightType" } });
    if (n_in % (uint32_t) ggml_blck_size(weight_type) != 0)
        throw failure(error_code::invalid_argument,
                      std::string("rows of ") + std::to_string(n_in) + " weights do not fill whole blocks of " +
                          ggml_type_name(weight_type),
                      { { "parameter", "weightType" } });
}

// Calls use(bytes, n_bytes, floats) with the weights in the type, some rows at a time.
template <class F> static void convert_weights(const linear_map & map, ggml_type type, F && use) {
    check_weight_type(type, map.n_in);
    const size_t n_rows_at_once = std::max<size_t>(1, (1 << 18) / map.n_in);
    std::vector<uint8_t> bytes(n_rows_at_once * ggml_row_size(type, map.n_in));
    std::vector<float> back;
    for (size_t row = 0; row < map.n_out; row += n_rows_at_once) {
        const size_t n_rows = std::min<size_t>(n_rows_at_once, map.n_out - row), at = row * map.n_in;
        ggml_quantize_chunk(type, map.weight.data() + at, bytes.data(), 0, (int64_t) n_rows, map.n_in, nullptr);
        back.resize(n_rows * map.n_in);
        to_floats(type, bytes.data(), back.data(), (int64_t) back.size());
        if (!all_finite(back))
            throw failure(error_code::invalid_argument,
                          std::string("a weight is too large for ") + ggml_type_name(type) + "; store them as f32",
                          { { "parameter", "weightType" } });
        use(bytes.data(), n_rows * ggml_row_size(type, map.n_in), back, at);
    }
}

void round_weights(linear_map & map, ggml_type weight_type) {
    std::vector<float> rounded(map.weight.size());
    convert_weights(map, weight_type, [&](const uint8_t *, size_t, const std::vector<float> & back, size_t at) {
        std::copy(back.begin(), back.end(), rounded.begin() + (long) at);
    });
    map.weight = std::move(rounded);
}

namespace {

class translator_writer {
  public:
    translator_writer(const translator & translator, ggml_type weight_type)
        : in_(translator), weight_type_(weight_type), gguf_(gguf_init_empty()) {
        n_layer_ = std::max({ in_.layers.size(), in_.k.size(), in_.v.size(), in_.error_k.size(), in_.error_v.size() });
        for (const size_t n : { in_.layers.size(), in_.k.size(), in_.v.size(), in_.error_k.size(), in_.error_v.size() })
            if (n != 0 && n != n_layer_) throw failure(error_code::internal, "a translator with two layer counts");
        add_facts();
        tensors_.reset(ggml_init({ (n_layer_ * 4 + 1) * ggml_tensor_overhead(), nullptr, /*no_alloc*/ true }));
        for (size_t i = 0; i < n_layer_; i++) {
            const linear_map * k = in_.k.empty() ? nullptr : in_.k[i].get();
            const linear_map * v = in_.v.empty() ? nullptr : in_.v[i].get();
            const std::string block = "blk." + std::to_string(i) + ".";
            if (k && k == v) {
                add_map(block + "kv", *k);
            } else {
                if (k) add_map(block + "k", *k);
                if (v) add_map(block + "v", *v);
            }
        }
        gguf_set_val_str(gguf_.get(), "translator.kind", maps_.empty() ? "layers" : "linear");
    }

    std::unique_ptr<atomic_file> write(const std::string & path) const {
        const std::vector<uint8_t> head = head_of(gguf_.get());
        auto file = std::make_unique<atomic_file>(path);
        const auto pad = [&] {
            static const uint8_t zeros[GGUF_DEFAULT_ALIGNMENT] = {};
            file->write(zeros, GGML_PAD(file->n_bytes(), GGUF_DEFAULT_ALIGNMENT) - file->n_bytes());
        };
        file->write(head.data(), head.size());
        pad();
        for (const linear_map * map : maps_) {
            convert_weights(
                *map, weight_type_,
                [&](const uint8_t * bytes, size_t n, const std::vector<float> &, size_t) { file->write(bytes, n); });
            pad();
            if (map->bias.empty()) continue;
            file->write(map->bias.data(), map->bias.size() * sizeof(float));
            pad();
        }
        return file;
    }

  private:
    void add_facts() {
        gguf_context * out = gguf_.get();
        const auto text = [&](const char * key, const std::string & value) {
            gguf_set_val_str(out, key, value.c_str());
        };
        text("general.architecture", file_architecture);
        text("general.type", file_type);
        gguf_set_val_u32(out, "translator.version", file_version);
        text("translator.source.fingerprint", in_.source_fingerprint);
        text("translator.source.name", in_.source_name);
        text("translator.target.fingerprint", in_.target_fingerprint);
        text("translator.target.name", in_.target_name);
        gguf_set_val_u32(out, "translator.layer_count", (uint32_t) n_layer_);
        if (!in_.layers.empty())
            gguf_set_arr_data(out, "translator.layers", GGUF_TYPE_INT32, in_.layers.data(), in_.layers.size());
        gguf_set_val_bool(out, "translator.before_rope", in_.before_rope);
        if (!in_.error_k.empty())
            gguf_set_arr_data(out, "translator.error.k", GGUF_TYPE_FLOAT32, in_.error_k.data(), in_.error_k.size());
        if (!in_.error_v.empty())
            gguf_set_arr_data(out, "translator.error.v", GGUF_TYPE_FLOAT32, in_.error_v.data(), in_.error_v.size());
        gguf_set_val_f64(out, "translator.loss.alone", in_.loss.alone);
        gguf_set_val_f64(out, "translator.loss.unmapped", in_.loss.unmapped);
        gguf_set_val_f64(out, "translator.loss.mapped", in_.loss.mapped);
        gguf_set_val_u64(out, "translator.fit_tokens", in_.n_fit_tokens);
    }

    void add_map(const std::string & name, const linear_map & map) {
        check_weight_type(weight_type_, map.n_in);
        if (map.weight.size() != (size_t) map.n_in * map.n_out || map.weight.empty() ||
            (!map.bias.empty() && map.bias.size() != map.n_out) || !all_finite(map.weight) || !all_finite(map.bias))
            throw failure(error_code::internal, "the linear map " + name + " is broken");
        add_tensor(name + ".weight", ggml_new_tensor_2d(tensors_.get(), weight_type_, map.n_in, map.n_out));
        if (!map.bias.empty()) add_tensor(name + ".bias", ggml_new_tensor_1d(tensors_.get(), GGML_TYPE_F32, map.n_out));
        maps_.push_back(&map);
    }

    void add_tensor(const std::string & name, ggml_tensor * tensor) {
        ggml_set_name(tensor, name.c_str());
        gguf_add_tensor(gguf_.get(), tensor);
    }

    const translator & in_;
    ggml_type weight_type_;
    size_t n_layer_ = 0;
    gguf_context_ptr gguf_;
    ggml_context_ptr tensors_;
    std::vector<const linear_map *> maps_;  // in the order of the tensors
};

}  // namespace

std::unique_ptr<atomic_file> prepare_translator(const std::string & path, const translator & translator,
                                                ggml_type weight_type) {
    return translator_writer(translator, weight_type).write(path);
}

uint64_t write_translator(const std::string & path, const translator & translator, ggml_type weight_type) {
    const auto file = prepare_translator(path, translator, weight_type);
    file->commit();
    return file->n_bytes();
}

}  // namespace overfill
