// ggml's threads, which both contexts of a pair compute on. Without a pool of its own ggml starts and joins its threads
// for every token.
#pragma once

#include <ggml-backend.h>

#include <cstdint>
#include <memory>

namespace overfill {

struct release_pool {
    void (*release)(ggml_threadpool_t) = nullptr;
    void operator()(ggml_threadpool_t pool) const { release(pool); }
};

struct release_backend {
    void operator()(ggml_backend_t backend) const { ggml_backend_free(backend); }
};

class compute_pool {
  public:
    // One thread needs no pool, and a CPU back end may offer none: get() is then null.
    explicit compute_pool(int32_t n_threads);

    ggml_threadpool_t get() const { return pool_.get(); }

    // Sends the workers to sleep until the next graph. Left alone, each of them polls for a tenth of a second.
    void rest();

  private:
    std::unique_ptr<ggml_threadpool, release_pool> pool_;
    // ggml's back end libraries offer no way to pause a pool, but a back end that is given another pool pauses the one
    // that it had. This back end computes nothing.
    std::unique_ptr<ggml_backend, release_backend> pausing_;
    void (*set_pool_)(ggml_backend_t, ggml_threadpool_t) = nullptr;
};

}  // namespace overfill
