#include "gguf_writing.h"

#include <algorithm>

namespace overfill {

void add_tensor_info(gguf_context * gguf, const std::string & name, ggml_type type, const int64_t * ne) {
    ggml_tensor tensor = {};
    ggml_set_name(&tensor, name.c_str());
    tensor.type = type;
    std::copy_n(ne, GGML_MAX_DIMS, tensor.ne);
    tensor.nb[0] = ggml_type_size(type);
    tensor.nb[1] = ggml_row_size(type, ne[0]);
    for (int i = 2; i < GGML_MAX_DIMS; i++) tensor.nb[i] = tensor.nb[i - 1] * (size_t) ne[i - 1];
    gguf_add_tensor(gguf, &tensor);
}

std::vector<uint8_t> head_of(const gguf_context * gguf) {
    std::vector<uint8_t> head(gguf_get_meta_size(gguf));
    gguf_get_meta_data(gguf, head.data());
    return head;
}

}  // namespace overfill
