// Loads a llama.cpp model with progress and abort, and tells a broken file from a failed load.
#pragma once

#include "product_trials.h"

#include <llama.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace overfill {

struct model_options {
    std::string path;
    int32_t n_gpu_layers = 0;  // layers on a GPU device; negative: all; 0: CPU only
    // Maps the file instead of reading it: less memory and a quicker start, but a file that is cut off while it is
    // mapped ends the process (SIGBUS), and one that is written over changes the weights.
    bool use_mmap = false;
    // Has our own kernels multiply the weights that the processor multiplies, where that is faster.
    bool use_kernels = true;
    // Whether it writes answers, a token at a time. llama.cpp's repacking of some types takes memory once more and is
    // the fastest for that; for a model that only reads, our kernels are faster without.
    bool writes = true;
    // Servers whose devices the layers lie on, in place of this machine's GPUs, and each device's share of them: empty
    // means by free memory.
    std::vector<std::string> remote = {};
    std::vector<float> split = {};
};

struct free_model {
    void operator()(llama_model * model) const;
};
struct free_context {
    void operator()(llama_context * ctx) const { llama_free(ctx); }
};
using model_ptr = std::unique_ptr<llama_model, free_model>;
using context_ptr = std::unique_ptr<llama_context, free_context>;

enum class load_depth {
    weights,   // all of it
    metadata,  // no tensor data: for inspection
};

// What computes products of a model's weights on the processor.
struct kernel_use {
    std::string leaf;    // "" where ggml's own kernels do
    std::string reason;  // why, a sentence without a full stop
    std::vector<product_trial> trials;
};
kernel_use kernel_use_of(const llama_model * model, bool wanted);
// How the kernels do with the commonest types, whatever a model has.
kernel_use common_kernel_use();

// `on_progress` gets 0..1 and returns false to stop; the load then ends with error_code::aborted. Throws the codes of
// check_model_file, ERR_MODEL_INVALID if llama.cpp refuses the file, ERR_MODEL_LOAD_FAILED if the file is sound but did
// not load (memory, device, disk).
model_ptr load_model(const model_options & options, load_depth depth, const std::function<bool(float)> & on_progress);

// For refusing a model whose architecture `who` (such as "pruning") does not know: if its memory is another than a KV
// cache, the end of a sentence that says which; else nothing.
std::string other_memory(const std::string & path, const std::string & who);

// Loads take turns over the whole process: the back ends set up their devices on first use and not all of them do so
// safely from two threads (ggml's Vulkan back end crashes). The turn lasts as long as the lock. `on_progress` returns
// false to stop waiting; then ERR_ABORTED is thrown.
std::unique_lock<std::timed_mutex> wait_for_load_turn(const std::function<bool(float)> & on_progress);

}  // namespace overfill
