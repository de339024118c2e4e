#include "models.h"

#include "cpu_products.h"
#include "failure.h"
#include "llama_log.h"
#include "model_file.h"
#include "model_traits.h"
#include "rpc_backend.h"

#include <algorithm>
#include <chrono>
#include <iterator>

namespace overfill {

void free_model::operator()(llama_model * model) const {
    // Another buffer may come to lie where one of these was.
    leave_products_of(model);
    llama_model_free(model);
}

static void check_split(size_t n_shares, size_t n_devices) {
    if (n_shares == n_devices && n_devices <= llama_max_devices()) return;
    throw failure(error_code::invalid_argument,
                  "options.prefill.split: expected a share for each of the servers' " + std::to_string(n_devices) +
                      " devices, got " + std::to_string(n_shares),
                  { { "parameter", "options.prefill.split" }, { "actual", std::to_string(n_shares) } });
}

static llama_model * load_once(const model_options & options, load_depth depth, bool repack,
                               const std::function<bool(float)> * on_progress) {
    llama_model_params params = llama_model_default_params();
    ggml_backend_dev_t none[] = { nullptr };
    params.n_gpu_layers = options.n_gpu_layers;
    if (options.n_gpu_layers == 0) params.devices = none;
    std::vector<ggml_backend_dev_t> remote;
    std::vector<float> split(llama_max_devices());
    if (!options.remote.empty() && depth == load_depth::weights) {
        remote = remote_devices(options.remote);
        if (!options.split.empty()) {
            check_split(options.split.size(), remote.size());
            std::copy(options.split.begin(), options.split.end(), split.begin());
            params.tensor_split = split.data();
        }
        remote.push_back(nullptr);
        params.devices = remote.data();
    }
    if (depth == load_depth::metadata) params.no_alloc = true;
    if (!repack) params.use_extra_bufts = false;
    const bool map = options.use_mmap && depth == load_depth::weights;
    // AUTO maps where the device gains by it.
    params.load_mode = map ? LLAMA_LOAD_MODE_AUTO : LLAMA_LOAD_MODE_NONE;
    // Very large tables of some architectures would be mapped whatever the mode.
    params.lazy_mode = map ? LLAMA_LAZY_MODE_AUTO : LLAMA_LAZY_MODE_OFF;
    if (on_progress) {
        params.progress_callback = [](float progress, void * data) {
            return (*static_cast<const std::function<bool(float)> *>(data))(progress);
        };
        params.progress_callback_user_data = const_cast<std::function<bool(float)> *>(on_progress);
    }
    return llama_model_load_from_file(options.path.c_str(), params);
}

// Models of fewer bytes are read in no time, and trying the kernels on their types would take longer.
static constexpr uint64_t least_model_bytes = 8 << 20;

// Of a model's types: whether the kernels are used for one at least, and ggml's for none but those that can be left.
static bool are_won(const std::vector<product_trial> & trials) {
    const auto is_won = [](const product_trial & trial) { return trial.is_won(); };
    return std::any_of(trials.begin(), trials.end(), is_won) &&
           std::all_of(trials.begin(), trials.end(),
                       [&](const product_trial & trial) { return is_won(trial) || can_be_left(trial.type); });
}

kernel_use common_kernel_use() {
    const auto & state = cpu_products();
    if (!state.available) return { "", state.reason, {} };
    if (state.takes_all) return { state.leaf, "OVERFILL_KERNELS is on", {} };
    if (state.leaves_quantized)
        return { state.leaf, "for weights of 16 bits; ggml's own for this processor's AMX compute quantised ones",
                 try_products({ GGML_TYPE_F16, GGML_TYPE_BF16 }) };
    return { state.leaf, "they are used for the types that they are faster with",
             try_products({ GGML_TYPE_Q8_0, GGML_TYPE_Q4_0, GGML_TYPE_Q4_K, GGML_TYPE_Q6_K }) };
}

kernel_use kernel_use_of(const llama_model * model, bool wanted) {
    const auto & state = cpu_products();
    if (state.takes_all && state.available) return { state.leaf, "OVERFILL_KERNELS is on", {} };
    if (!wanted) return { "", "they were not wanted", {} };
    if (!state.available) return { "", state.reason, {} };
    const host_weights weights = host_weights_of(model);
    if (weights.types.empty() && state.leaves_quantized)
        return { "", "ggml's own for this processor's AMX are as fast", {} };
    if (weights.types.empty())
        return { "", "no weights on the processor are of a type and size that there are kernels for", {} };
    if (llama_model_size(model) < least_model_bytes) return { "", "the model is too small to gain by them", {} };
    const auto trials = try_products(weights.types);
    if (!std::all_of(trials.begin(), trials.end(), [](const auto & trial) { return trial.is_right; }))
        return { "", "they gave other numbers here than they should", trials };
    if (!are_won(trials)) return { "", "ggml's own are as fast here", trials };
    if (!has_products_of(weights.buffers)) return { "", "too many models have them already", trials };
    return { state.leaf, "they are faster than ggml's here", trials };
}

// Whether a model that only reads does better without llama.cpp's repacking: decided by its types before it is loaded.
static bool replaces_repacking(const model_file & file) {
    const auto & state = cpu_products();
    if (!state.replaces_repacking || file.has_experts || file.n_bytes < least_model_bytes) return false;
    if (std::any_of(file.types.begin(), file.types.end(), needs_repacking)) return false;
    std::vector<ggml_type> types;
    std::copy_if(file.types.begin(), file.types.end(), std::back_inserter(types), has_products);
    return state.takes_all || (!types.empty() && are_won(try_products(types)));
}

static void take_products(const llama_model * model) {
    const auto & state = cpu_products();
    if (!state.available || state.takes_all || llama_model_size(model) < least_model_bytes) return;
    const host_weights weights = host_weights_of(model);
    if (!weights.types.empty() && are_won(try_products(weights.types))) take_products_of(weights.buffers);
}

// llama.cpp asserts some things as it makes a context.
static void check_layers(const llama_model * model, const std::string & path) {
    const std::string defect = memory_defect(model);
    if (!defect.empty())
        throw failure(error_code::model_unsupported, path + " has " + defect + "; llama.cpp cannot run such a model",
                      { { "path", path }, { "architecture", traits_of(model).architecture } });
}

model_ptr load_model(const model_options & options, load_depth depth, const std::function<bool(float)> & on_progress) {
    const model_file file = check_model_file(options.path);
    const bool uses_kernels = options.use_kernels && depth == load_depth::weights;
    // ggml's AMX takes the matrices of heads, too, and then finds nobody who computes them: the process would end.
    const bool can_repack = !file.has_head_matrices || !cpu_products().has_amx;
    const bool repack = can_repack && (!uses_kernels || options.writes || !replaces_repacking(file));

    bool stopped = false;
    std::function<bool(float)> progress = [&](float value) {
        stopped = stopped || !on_progress(value);
        return !stopped;
    };
    const log_capture log;
    model_ptr model(load_once(options, depth, repack, &progress));
    if (model) {
        check_layers(model.get(), options.path);
        if (uses_kernels) take_products(model.get());
        return model;
    }
    if (stopped) throw failure(error_code::aborted, "the load was aborted");

    // Only the file's structure is read again: if that fails as well, the file is to blame.
    const std::string reason = log.errors();
    const bool sound = (bool) model_ptr(load_once(options, load_depth::metadata, true, nullptr));
    throw failure(sound ? error_code::model_load_failed : error_code::model_invalid,
                  options.path + (sound ? " could not be loaded: " : " is not a model that llama.cpp can run: ") +
                      reason,
                  { { "path", options.path } });
}

std::string other_memory(const std::string & path, const std::string & who) {
    try {
        const auto model = load_model({ path, 0 }, load_depth::metadata, [](float) { return true; });
        const memory_traits memory = memory_traits_of(model.get());
        if (memory.form == memory_form::none || memory.can_be_translated()) return "";
        return " (" + who + " knows KV caches only, and its memory is another: " + memory.name() + ")";
    } catch (const failure &) {
        return "";  // what is wrong with such a file is not the question
    }
}

std::unique_lock<std::timed_mutex> wait_for_load_turn(const std::function<bool(float)> & on_progress) {
    static std::timed_mutex mutex;
    std::unique_lock<std::timed_mutex> turn(mutex, std::defer_lock);
    // By the system's clock, whose wait gcc's ThreadSanitizer knows; it does not know that of try_lock_for.
    while (!turn.try_lock_until(std::chrono::system_clock::now() + std::chrono::milliseconds(10)))
        if (!on_progress(0)) throw failure(error_code::aborted, "the load was aborted");
    return turn;
}

}  // namespace overfill
