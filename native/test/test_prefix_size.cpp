// How much memory a pair's prefix cache takes where nobody says it.
#include "check.h"
#include "engine_driver.h"
#include "tiny_model.h"

#include <llama.h>

using namespace overfill;
using namespace overfill::test;

namespace {

constexpr uint64_t gib = 1u << 30;

struct fixture {
    model_path full{ tiny_model() };
    model_path small{ [] {
        tiny_model m;
        m.seed = 2;
        m.n_embd = 32;
        return m;
    }() };

    pair_options options(uint64_t available) const {
        pair_options o = options_for(full.str(), small.str());
        o.prefix_cache_bytes = default_prefix_cache_bytes;
        o.available_bytes = available;
        return o;
    }
};

struct sizes {
    uint64_t prefixes, weights, caches;
};

sizes sizes_of(const pair_options & options) {
    const pair models(
        options, [](void *) { return false; }, nullptr, [](float) { return true; });
    const auto size_of = [&](const llama_context * ctx) { return llama_model_size(llama_get_model(ctx)); };
    return { models.info().prefix_cache_bytes, size_of(models.prefill_context()) + size_of(models.decode_context()),
             models.info().kv_bytes };
}

}  // namespace

TEST("a quarter of what is free beside the weights and all KV caches is for what was read before") {
    const fixture f;
    pair_options options = f.options(gib);
    const sizes shared = sizes_of(options);
    CHECK_EQUAL(shared.prefixes, (gib - shared.weights - shared.caches) / 4);
    options.handover = handover_choice::translate;
    options.max_sessions = 4;
    const sizes own = sizes_of(options);
    CHECK_EQUAL(own.caches, 8 * shared.caches);
    CHECK_EQUAL(own.prefixes, (gib - own.weights - own.caches) / 4);
}

TEST("where little is free it is 64 MiB, and what was asked for in any case") {
    const fixture f;
    for (const uint64_t available : { (uint64_t) 0, (uint64_t) 1000, gib / 5 })
        CHECK_EQUAL(sizes_of(f.options(available)).prefixes, (uint64_t) 64 << 20);
    for (const uint64_t asked : { (uint64_t) 0, (uint64_t) 1 << 20, 3 * gib }) {
        pair_options options = f.options(gib);
        options.prefix_cache_bytes = asked;
        CHECK_EQUAL(sizes_of(options).prefixes, asked);
    }
}
