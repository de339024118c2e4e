// Writes random LoRA adapters for models on disk, and models that an adapter was merged into.
#pragma once

#include "temp_folder.h"
#include "tiny_model.h"

#include <ggml-cpp.h>
#include <ggml.h>
#include <gguf.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace overfill::test {

struct tiny_adapter {
    uint32_t seed = 1;
    int64_t rank = 4;
    float alpha = 8;
    ggml_type type = GGML_TYPE_F32;
    // The matrices that it changes, by the ends of their names; none: all of the layers and the output.
    std::vector<std::string> weights;
    // Changes the file before it is written, for broken ones: metadata, and the tensors, which may be renamed, replaced
    // by new ones of `ctx` and taken out.
    std::function<void(gguf_context * metadata)> edit;
    std::function<void(ggml_context * ctx, std::vector<ggml_tensor *> & tensors)> edit_tensors;
};

// For the model at `model_path`, whose matrices are f32 or anything else: only their shapes count.
void write_adapter(const std::string & path, const std::string & model_path, const tiny_adapter & adapter);

// W + scale * alpha / rank * B A for every weight of the adapter. The model's matrices are f32, and so are the factors.
void write_merged(const std::string & path, const std::string & model_path, const std::string & adapter_path,
                  float scale);

// A model and an adapter of it.
struct adapted_model {
    explicit adapted_model(const tiny_adapter & recipe = {}, const tiny_model & shape = {}) : model(shape) {
        write_adapter(adapter, model.str(), recipe);
    }

    model_path model;
    temp_folder folder;
    std::string adapter = folder.file("adapter.gguf");
};

}  // namespace overfill::test
