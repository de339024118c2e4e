#include "stored_tensors.h"

#include "failure.h"
#include "file_reader.h"
#include "input_file.h"
#include "model_file.h"
#include "split_parts.h"

#include <algorithm>
#include <utility>

namespace overfill {

stored_tensors::stored_tensors(const std::string & path, const gguf_metadata & first)
    : paths_(split_parts(path, first)) {
    for (size_t part = 0; part < paths_.size(); part++) {
        const uint64_t n_file = check_input_file(paths_[part], model_codes);
        add_part(gguf_metadata(paths_[part]), part, n_file);
        readers_.push_back(std::make_unique<file_reader>(paths_[part]));
    }
}

stored_tensors::~stored_tensors() = default;

void stored_tensors::add_part(const gguf_metadata & meta, size_t part, uint64_t n_file) {
    const auto refuse = [&](const std::string & what) {
        throw failure(error_code::model_invalid, paths_[part] + " " + what, { { "path", paths_[part] } });
    };
    const gguf_context * gguf = meta.get();
    for (int64_t i = 0; i < gguf_get_n_tensors(gguf); i++) {
        stored_tensor tensor = {};
        tensor.name = gguf_get_tensor_name(gguf, i);
        tensor.type = gguf_get_tensor_type(gguf, i);
        std::copy_n(gguf_get_tensor_ne(gguf, i), 4, tensor.ne);
        tensor.part = part;
        tensor.offset = gguf_get_data_offset(gguf) + gguf_get_tensor_offset(gguf, i);
        tensor.n_bytes = gguf_get_tensor_size(gguf, i);
        // check_model_file has looked at the first part only.
        if (std::any_of(tensor.ne, tensor.ne + 4, [](int64_t n) { return n <= 0; }))
            refuse("has an empty tensor " + tensor.name);
        if (!is_weight_type(tensor.type))
            refuse("has tensor " + tensor.name + " as " + ggml_type_name(tensor.type) +
                   ", which is not a type for weights");
        if (tensor.offset > n_file || tensor.n_bytes > n_file - tensor.offset)
            refuse("is truncated: tensor " + tensor.name + " extends past the end of the file");
        if (!by_name_.emplace(tensor.name, tensors_.size()).second) refuse("has the tensor " + tensor.name + " twice");
        n_bytes_ += tensor.n_bytes;
        n_params_ += (uint64_t) (tensor.ne[0] * tensor.ne[1] * tensor.ne[2] * tensor.ne[3]);
        tensors_.push_back(std::move(tensor));
    }
}

const stored_tensor * stored_tensors::find(const std::string & name) const {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : &tensors_[found->second];
}

void stored_tensors::read(const stored_tensor & tensor, uint64_t offset, void * data, size_t n) const {
    readers_[tensor.part]->read(tensor.offset + offset, data, n);
}

}  // namespace overfill
