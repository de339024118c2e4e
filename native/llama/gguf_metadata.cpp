#include "gguf_metadata.h"

#include "llama_log.h"

#include <cstring>
#include <filesystem>
#include <fstream>

namespace overfill {

gguf_metadata::gguf_metadata(const std::string & path, error_code broken) : path_(path) {
    const log_capture log;
    gguf_.reset(gguf_init_from_file(path.c_str(), { /*no_alloc*/ true, /*ctx*/ nullptr }));
    if (!gguf_) throw failure(broken, path + " is a broken GGUF file: " + log.errors(), { { "path", path } });
    // ggml reads it, and ends the process where the entry is copied to another file.
    for (int64_t i = 0; i < gguf_get_n_kv(gguf_.get()); i++)
        if (*gguf_get_key(gguf_.get(), i) == '\0')
            throw failure(broken, path + " is a broken GGUF file: a key begins with a zero", { { "path", path } });
}

static std::optional<double> element(gguf_type type, const void * data, size_t i) {
    switch (type) {
    case GGUF_TYPE_UINT8: return static_cast<const uint8_t *>(data)[i];
    case GGUF_TYPE_BOOL:
    case GGUF_TYPE_INT8: return static_cast<const int8_t *>(data)[i];
    case GGUF_TYPE_UINT16: return static_cast<const uint16_t *>(data)[i];
    case GGUF_TYPE_INT16: return static_cast<const int16_t *>(data)[i];
    case GGUF_TYPE_UINT32: return static_cast<const uint32_t *>(data)[i];
    case GGUF_TYPE_INT32: return static_cast<const int32_t *>(data)[i];
    case GGUF_TYPE_UINT64: return (double) static_cast<const uint64_t *>(data)[i];
    case GGUF_TYPE_INT64: return (double) static_cast<const int64_t *>(data)[i];
    case GGUF_TYPE_FLOAT32: return static_cast<const float *>(data)[i];
    case GGUF_TYPE_FLOAT64: return static_cast<const double *>(data)[i];
    default: return std::nullopt;
    }
}

bool gguf_metadata::has(const std::string & key) const { return gguf_find_key(gguf_.get(), key.c_str()) >= 0; }

std::optional<std::string> gguf_metadata::text(const std::string & key) const {
    const int64_t id = gguf_find_key(gguf_.get(), key.c_str());
    if (id < 0 || gguf_get_kv_type(gguf_.get(), id) != GGUF_TYPE_STRING) return std::nullopt;
    return gguf_get_val_str(gguf_.get(), id);
}

std::optional<double> gguf_metadata::number(const std::string & key) const {
    const int64_t id = gguf_find_key(gguf_.get(), key.c_str());
    if (id < 0) return std::nullopt;
    const gguf_type type = gguf_get_kv_type(gguf_.get(), id);
    if (type == GGUF_TYPE_ARRAY || type == GGUF_TYPE_STRING || type == GGUF_TYPE_BOOL) return std::nullopt;
    return element(type, gguf_get_val_data(gguf_.get(), id), 0);
}

std::optional<bool> gguf_metadata::flag(const std::string & key) const {
    const int64_t id = gguf_find_key(gguf_.get(), key.c_str());
    if (id < 0 || gguf_get_kv_type(gguf_.get(), id) != GGUF_TYPE_BOOL) return std::nullopt;
    return gguf_get_val_bool(gguf_.get(), id);
}

std::vector<double> gguf_metadata::numbers(const std::string & key) const {
    const int64_t id = gguf_find_key(gguf_.get(), key.c_str());
    if (id < 0) return {};
    if (gguf_get_kv_type(gguf_.get(), id) != GGUF_TYPE_ARRAY) {
        const auto one = number(key);
        return one ? std::vector<double>{ *one } : std::vector<double>{};
    }
    const gguf_type type = gguf_get_arr_type(gguf_.get(), id);
    if (type == GGUF_TYPE_STRING) return {};
    std::vector<double> out;
    for (size_t i = 0; i < gguf_get_arr_n(gguf_.get(), id); i++)
        if (const auto value = element(type, gguf_get_arr_data(gguf_.get(), id), i)) out.push_back(*value);
    return out;
}

std::vector<std::string_view> gguf_metadata::texts(const std::string & key) const {
    const int64_t n = array_length(key), id = n < 0 ? -1 : gguf_find_key(gguf_.get(), key.c_str());
    if (id < 0 || gguf_get_arr_type(gguf_.get(), id) != GGUF_TYPE_STRING) return {};
    std::vector<std::string_view> out;
    for (int64_t i = 0; i < n; i++) out.push_back(gguf_get_arr_str(gguf_.get(), id, (size_t) i));
    return out;
}

int64_t gguf_metadata::array_length(const std::string & key) const {
    const int64_t id = gguf_find_key(gguf_.get(), key.c_str());
    if (id < 0 || gguf_get_kv_type(gguf_.get(), id) != GGUF_TYPE_ARRAY) return -1;
    return (int64_t) gguf_get_arr_n(gguf_.get(), id);
}

std::vector<float> gguf_metadata::tensor(const std::string & name) const {
    const int64_t id = gguf_find_tensor(gguf_.get(), name.c_str());
    if (id < 0 || gguf_get_tensor_type(gguf_.get(), id) != GGML_TYPE_F32) return {};
    const std::vector<uint8_t> bytes = tensor_bytes(id);
    std::vector<float> values(bytes.size() / sizeof(float));
    if (!values.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
}

std::vector<uint8_t> gguf_metadata::tensor_bytes(int64_t tensor) const {
    const std::filesystem::path path = std::filesystem::u8path(path_);
    const uint64_t begin = gguf_get_data_offset(gguf_.get()) + gguf_get_tensor_offset(gguf_.get(), tensor);
    const uint64_t n = gguf_get_tensor_size(gguf_.get(), tensor);
    std::error_code error;
    // Looked at first: a damaged file may claim more than there is memory for.
    const uint64_t n_file = std::filesystem::file_size(path, error);
    if (error || begin > n_file || n > n_file - begin) return {};
    std::vector<uint8_t> bytes(n);
    std::ifstream file(path, std::ios::binary);
    file.seekg((std::streamoff) begin);
    file.read(reinterpret_cast<char *>(bytes.data()), (std::streamsize) n);
    if (!file) return {};
    return bytes;
}

}  // namespace overfill
