// Looks at a GGUF file before llama.cpp does. llama.cpp answers a broken file with a null pointer at best and with an
// abort of the process at worst; here it becomes a coded error.
#pragma once

#include <ggml.h>

#include <cstdint>
#include <string>
#include <vector>

namespace overfill {

struct model_file {
    std::string path;
    uint64_t n_bytes = 0;
    std::string architecture;
    std::vector<ggml_type> types;  // of the tensors in this file, each once
    bool has_experts = false;      // a mixture of experts
    // Attention multiplies matrices of each head with columns that lie apart (multi-head latent attention).
    bool has_head_matrices = false;
};

// Throws ERR_MODEL_NOT_FOUND, ERR_MODEL_NOT_A_FILE, ERR_MODEL_INVALID or ERR_MODEL_UNSUPPORTED.
model_file check_model_file(const std::string & path);

// Whether tensors of that type can be weights of a model: llama.cpp computes with them.
bool is_weight_type(ggml_type type);

// That a file is there and begins as GGUF does; its size in bytes. Throws the same, but ERR_MODEL_UNSUPPORTED.
uint64_t check_gguf_file(const std::string & path);

// A model, or a file without tensors that holds a vocabulary only. Throws the same.
void check_tokenizer_file(const std::string & path);

}  // namespace overfill
