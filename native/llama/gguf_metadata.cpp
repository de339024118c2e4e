#include "gguf_metadata.h"

#include "file_reader.h"
#include "llama_log.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <filesystem>

namespace overfill {

namespace {

// Gives ggml a file, of which it asks for a few bytes at a time. What fails is kept: to ggml it is the end of the file.
class gguf_source {
  public:
    explicit gguf_source(const std::string & path) : file_(path) {}

    gguf_context * read() {
        gguf_context * gguf =
            gguf_init_from_callback(give, this, 0, file_.size(), { /*no_alloc*/ true, /*ctx*/ nullptr });
        if (error_) {
            gguf_free(gguf);
            std::rethrow_exception(error_);
        }
        return gguf;
    }

  private:
    static size_t give(void * self, void * to, uint64_t offset, size_t n_bytes) noexcept {
        auto & source = *static_cast<gguf_source *>(self);
        try {
            return source.copy(static_cast<uint8_t *>(to), offset, n_bytes);
        } catch (...) {
            source.error_ = std::current_exception();
            return 0;
        }
    }

    size_t copy(uint8_t * to, uint64_t offset, size_t n_bytes) {
        const uint64_t n_file = file_.size();
        if (offset >= n_file) return 0;
        n_bytes = (size_t) std::min<uint64_t>(n_bytes, n_file - offset);
        if (offset < begin_ || n_bytes > buffer_.size() || offset - begin_ > buffer_.size() - n_bytes) {
            buffer_.resize((size_t) std::min<uint64_t>(std::max(n_bytes, n_ahead), n_file - offset));
            begin_ = offset;
            file_.read(begin_, buffer_.data(), buffer_.size());
        }
        std::memcpy(to, buffer_.data() + (offset - begin_), n_bytes);
        return n_bytes;
    }

    static constexpr size_t n_ahead = 256 << 10;

    file_reader file_;
    std::vector<uint8_t> buffer_;  // what lies at `begin_`
    uint64_t begin_ = 0;
    std::exception_ptr error_;
};

}  // namespace

gguf_metadata::gguf_metadata(const std::string & path, error_code broken)
    : path_(path), codes_(broken == error_code::model_invalid ? model_codes : data_codes) {
    const log_capture log;
    gguf_.reset(with_codes(codes_, [&] { return gguf_source(path).read(); }));
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
    with_codes(codes_, [&] { file_reader(path_).read(begin, bytes.data(), bytes.size()); });
    return bytes;
}

bool is_gguf_of_type(const std::string & path, const char * type) {
    std::error_code error;
    if (!std::filesystem::is_regular_file(std::filesystem::u8path(path), error)) return false;
    try {
        return gguf_metadata(path).text("general.type") == type;
    } catch (const failure & error) {
        if (error.code() == error_code::model_invalid) return false;
        throw;
    }
}

}  // namespace overfill
