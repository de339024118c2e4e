// LoRA adapters at load: GGUF files as llama.cpp's convert_lora_to_gguf.py writes them, each with a factor. They belong
// to a context, not to a model, so that one set of weights can read without them and write with them.
//
//   general.type = "adapter", adapter.type = "lora", general.architecture of the model it was made for
//   adapter.lora.alpha   f32; the change of a weight is scale * alpha / rank * B A, without it scale * B A
//   NAME.lora_a          [n_in, rank]   (for the embedding: [rank, n_vocab], looked up in)
//   NAME.lora_b          [rank, n_out]  (for the embedding: [rank, n_embd])
#pragma once

#include "lora_adapters.h"
#include "models.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace overfill {

struct adapter_options {
    std::string path;
    double scale = 1;
};

struct adapter_facts {
    adapter_options from;
    float alpha = 0;    // 0: none
    uint32_t rank = 0;  // the largest of its tensors
};

struct adapter {
    adapter_facts facts;
    std::shared_ptr<llama_adapter_lora> loaded;  // null: looked at only
};
using adapter_list = std::vector<adapter>;

// Whether both lists are the same files with the same factors.
bool same_adapters(const std::vector<adapter_options> & a, const std::vector<adapter_options> & b);

// Checks the files against the model, and loads them if the model was loaded with its weights; a file that is among
// `shared`, which are of the same model, is not loaded again. They must go before the model. Throws
//   ERR_MODEL_NOT_FOUND, ERR_MODEL_NOT_A_FILE, ERR_MODEL_INVALID for a file that is missing or broken,
//   ERR_MODEL_UNSUPPORTED for one that is no LoRA adapter, or of a kind that llama.cpp would not run as it is meant,
//   ERR_ADAPTER_MISMATCH for one that was made for another model,
//   ERR_INVALID_ARGUMENT for a factor that f32 does not hold and for a file that is named twice,
//   ERR_MODEL_LOAD_FAILED where llama.cpp refuses it even so, ERR_ABORTED.
// `side` is "prefill" or "decode", for messages.
adapter_list load_adapters(llama_model * model, const std::vector<adapter_options> & options, const char * side,
                           load_depth depth, const adapter_list & shared, const std::function<bool()> & go_on);

std::vector<adapter_facts> facts_of(const adapter_list & adapters);

// See use_adapters in native/llama.
void use_adapters(llama_context * ctx, const adapter_list & adapters);

}  // namespace overfill
