// Reads a GGUF file's metadata without the aborts of gguf.h: a value of another type than asked for is simply absent.
#pragma once

#include "failure.h"
#include "input_file.h"

#include <gguf.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace overfill {

class gguf_metadata {
  public:
    // Reads the structure (no tensor data). Throws `broken` if it is broken; where the system does not give the file,
    // ERR_MODEL_LOAD_FAILED for a model, and ERR_FILE_READ_FAILED for what has a code of its own.
    explicit gguf_metadata(const std::string & path, error_code broken = error_code::model_invalid);

    std::optional<std::string> text(const std::string & key) const;
    std::optional<double> number(const std::string & key) const;
    std::optional<bool> flag(const std::string & key) const;
    // A number, or an array of numbers, as a list.
    std::vector<double> numbers(const std::string & key) const;
    // The strings of an array of strings; they live as long as this object.
    std::vector<std::string_view> texts(const std::string & key) const;
    bool has(const std::string & key) const;
    int64_t array_length(const std::string & key) const;  // -1: no array

    // The values of an f32 tensor, read from the file; empty if there is none of that name and type. Throws as below.
    std::vector<float> tensor(const std::string & name) const;
    // The bytes of a tensor by its index; empty if the file ends before them. Throws where the system does not give it.
    std::vector<uint8_t> tensor_bytes(int64_t tensor) const;

    const gguf_context * get() const { return gguf_.get(); }

  private:
    struct free_gguf {
        void operator()(gguf_context * g) const { gguf_free(g); }
    };
    std::string path_;
    const input_codes & codes_;
    std::unique_ptr<gguf_context, free_gguf> gguf_;
};

// Whether the file is a GGUF file whose "general.type" is this one; false for another or a broken one, of which tells
// whoever wants to use it. Throws ERR_MODEL_LOAD_FAILED where the system does not give the file.
bool is_gguf_of_type(const std::string & path, const char * type);

}  // namespace overfill
