// The tensors of a GGUF file, of all its parts, as bytes and as numbers.
#pragma once

#include "failure.h"

#include <ggml-cpp.h>
#include <gguf.h>

#include <cstring>
#include <map>
#include <string>
#include <vector>

namespace overfill::test {

struct tensor_value {
    ggml_type type;
    int64_t ne0, ne1;
    std::string bytes;

    std::vector<float> floats() const {
        std::vector<float> out((size_t) (ne0 * ne1));
        if (type == GGML_TYPE_F32)
            std::memcpy(out.data(), bytes.data(), bytes.size());
        else
            ggml_get_type_traits(type)->to_float(bytes.data(), out.data(), ne0 * ne1);
        return out;
    }
    bool operator==(const tensor_value & o) const {
        return type == o.type && ne0 == o.ne0 && ne1 == o.ne1 && bytes == o.bytes;
    }
};

using tensor_values = std::map<std::string, tensor_value>;

inline tensor_values tensors_of(const std::vector<std::string> & paths) {
    tensor_values out;
    for (const std::string & path : paths) {
        ggml_context * data = nullptr;
        const gguf_context_ptr gguf(gguf_init_from_file(path.c_str(), { false, &data }));
        if (!gguf) throw failure(error_code::file_read_failed, path + " is no GGUF file");
        const ggml_context_ptr tensors(data);
        for (int64_t i = 0; i < gguf_get_n_tensors(gguf.get()); i++) {
            const ggml_tensor * tensor = ggml_get_tensor(data, gguf_get_tensor_name(gguf.get(), i));
            out[tensor->name] = { tensor->type, tensor->ne[0], tensor->ne[1],
                                  std::string(static_cast<const char *>(tensor->data), ggml_nbytes(tensor)) };
        }
    }
    return out;
}

}  // namespace overfill::test
