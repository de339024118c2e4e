#include "models.h"

#include "cpu_products.h"
#include "failure.h"
#include "llama_log.h"
#include "model_file.h"
#include "model_traits.h"
#include "rpc_backend.h"

#include <algorithm>
#include <chrono>

namespace overfill {

void free_model::operator()(llama_model * model) const {
    // Another buffer may come to lie where one of these was.
    leave_products_of(host_weights_of(model).buffers);
    llama_model_free(model);
}

static void check_split(size_t n_shares, size_t n_devices) {
    if (n_shares == n_devices && n_devices <= llama_max_devices()) return;
    throw failure(error_code::invalid_argument,
                  "options.prefill.split: expected a share for each of the servers' " + std::to_string(n_devices) +
                      " devices, got " + std::to_string(n_shares),
                  { { "parameter", "options.prefill.split" }, { "actual", std::to_string(n_shares) } });
}

static llama_model * load_once(const model_options & options, load_depth depth,
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
    if (options.use_kernels && !options.writes && depth == load_depth::weights)
        params.use_extra_bufts = !cpu_products().replaces_repacking;
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

static kernel_use use_by_trials(const std::vector<ggml_type> & types) {
    const auto & state = cpu_products();
    if (!state.available) return { "", state.reason, {} };
    if (types.empty())
        return { "", "no weights on the processor are of a type and size that there are kernels for", {} };
    const auto trials = try_products(types);
    const bool won = std::all_of(trials.begin(), trials.end(), [](const auto & trial) { return trial.is_won(); });
    if (state.takes_all) return { state.leaf, "OVERFILL_KERNELS is on", trials };
    return { won ? state.leaf : "", won ? "they are faster than ggml's here" : "ggml's own are as fast here", trials };
}

kernel_use common_kernel_use() {
    return use_by_trials({ GGML_TYPE_Q8_0, GGML_TYPE_Q4_0, GGML_TYPE_Q4_K, GGML_TYPE_Q6_K });
}

kernel_use kernel_use_of(const llama_model * model, bool wanted) {
    if (!wanted) return { "", "they were not wanted", {} };
    return use_by_trials(host_weights_of(model).types);
}

// llama.cpp asserts some things as it makes a context.
static void check_layers(const llama_model * model, const std::string & path) {
    const std::string defect = memory_defect(model);
    if (!defect.empty())
        throw failure(error_code::model_unsupported, path + " has " + defect + "; llama.cpp cannot run such a model",
                      { { "path", path }, { "architecture", traits_of(model).architecture } });
}

model_ptr load_model(const model_options & options, load_depth depth, const std::function<bool(float)> & on_progress) {
    check_model_file(options.path);

    bool stopped = false;
    std::function<bool(float)> progress = [&](float value) {
        stopped = stopped || !on_progress(value);
        return !stopped;
    };
    const log_capture log;
    model_ptr model(load_once(options, depth, &progress));
    if (model) {
        check_layers(model.get(), options.path);
        if (depth == load_depth::weights && !kernel_use_of(model.get(), options.use_kernels).leaf.empty())
            take_products_of(host_weights_of(model.get()).buffers);
        return model;
    }
    if (stopped) throw failure(error_code::aborted, "the load was aborted");

    // Only the file's structure is read again: if that fails as well, the file is to blame.
    const std::string reason = log.errors();
    const bool sound = (bool) model_ptr(load_once(options, load_depth::metadata, nullptr));
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
