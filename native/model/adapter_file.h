// Looks at an adapter's GGUF file before llama.cpp does, which asserts the types of its metadata and, once a graph is
// computed, some of the shapes.
#pragma once

#include <llama.h>

#include <cstdint>
#include <string>

namespace overfill {

struct adapter_file {
    float alpha = 0;
    uint32_t rank = 0;
};

// Throws the codes of load_adapters (adapters.h) that are about a file.
adapter_file check_adapter_file(const std::string & path, const llama_model * model);

}  // namespace overfill
