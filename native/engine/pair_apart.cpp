// Pairs whose models lie on different devices: who runs apart from the prefill model, and how that one then computes on
// a thread of its own.
#include "model_devices.h"
#include "pair.h"

#include <algorithm>
#include <set>

namespace overfill {

static bool is_cpu(ggml_backend_dev_t device) { return ggml_backend_dev_type(device) == GGML_BACKEND_DEVICE_TYPE_CPU; }

static bool have_one_in_common(const std::set<ggml_backend_dev_t> & a, const std::set<ggml_backend_dev_t> & b) {
    return std::any_of(a.begin(), a.end(), [&](ggml_backend_dev_t device) { return b.count(device) > 0; });
}

// Finds who runs apart from the prefill model, and sees to it that they do not wait for each other's threads.
void pair::part(const pair_options & options) {
    const auto own = devices_of(models_.prefill.get());
    for (size_t i = 0; i < writers_.size(); i++) {
        if (shares(decode_side(i))) continue;
        const llama_model * model = llama_get_model(writers_[i].context.get());
        writers_[i].apart = options.apart.value_or(!have_one_in_common(own, devices_of(model)));
    }
    if (!runs_apart()) return;
    // Who has no layers on the CPU leaves its cores to the other: the threads of a pool wait for work by looking for
    // it.
    const auto threads_of = [&](const llama_model * model) {
        const auto on = devices_of(model);
        return std::any_of(on.begin(), on.end(), is_cpu) ? options.n_threads : 1;
    };
    const auto use = [&](llama_context * ctx, int32_t n_threads, const compute_pool & pool) {
        llama_set_n_threads(ctx, n_threads, n_threads);
        if (n_threads > 1 && pool.get())
            llama_attach_threadpool(ctx, pool.get(), pool.get());
        else
            llama_detach_threadpool(ctx);
    };
    const int32_t n_prefill = threads_of(models_.prefill.get());
    prefill_pool_ = std::make_unique<compute_pool>(n_prefill);
    use(prefill_.get(), n_prefill, *prefill_pool_);
    for (writer & one : writers_)
        if (one.apart) use(one.context.get(), threads_of(llama_get_model(one.context.get())), *pool_);
}

bool pair::runs_apart(pair_side side) const {
    return side != pair_side::prefill && writers_.at(decode_index(side)).apart;
}

bool pair::runs_apart() const {
    return std::any_of(writers_.begin(), writers_.end(), [](const writer & one) { return one.apart; });
}

void pair::rest() {
    pool_->rest();
    if (prefill_pool_) prefill_pool_->rest();
}

int32_t pair::compute(llama_context * ctx, const std::function<int32_t()> & decode) {
    if (!second_.beside || ctx != prefill_.get()) return decode();
    struct computing {
        bool & is;
        explicit computing(bool & flag) : is(flag) { is = true; }
        ~computing() { is = false; }
    } const scope(is_computing_);
    // What is read meanwhile has nothing to wait for: this is over when the device is done.
    last_read_ = nullptr;
    int32_t status = 0;
    second_.beside([&] {
        status = decode();
        llama_synchronize(ctx);
    });
    return status;
}

void pair::settle(const llama_context * ctx) const {
    if (is_computing_ && ctx == prefill_.get()) second_.wait();
}

void pair::synchronize(const llama_context * ctx) const {
    settle(ctx);
    if (last_read_) llama_synchronize(last_read_);
}

}  // namespace overfill
