#include "translate_handover.h"

#include "cuda/translate_cuda.h"
#include "failure.h"
#include "kv_cells.h"
#include "kv_view.h"
#include "llama_log.h"
#ifdef __APPLE__
#include "metal/translate_metal.h"
#endif

#include <algorithm>
#include <chrono>

namespace overfill {

namespace {

failure unavailable(uint32_t layer, const std::string & why) {
    return failure(error_code::handover_unavailable, "layer " + std::to_string(layer) + " cannot be translated: " + why,
                   { { "layer", layer } });
}

// A layer's storage in a context, found by its index in the model.
struct layer_storage {
    kv_storage k, v;
};

layer_storage storage_of(const std::vector<kv_cache_view> & views, const llama_context * ctx, uint32_t layer) {
    for (size_t cache = 0; cache < views.size(); cache++) {
        const kv_cache_view & view = views[cache];
        for (const kv_layer_view & entry : view.layers) {
            if (entry.layer != layer) continue;
            layer_storage out;
            const layer_heads heads = heads_of(ctx, layer);
            for (kv_storage * side : { &out.k, &out.v }) {
                side->cache = cache;
                side->n_head = heads.n_head_kv;
                side->n_cells = view.n_cells;
            }
            out.k.tensor = entry.k;
            out.k.head_size = heads.size_k;
            out.k.hadamard = view.k_hadamard;
            out.v.tensor = entry.v;
            out.v.head_size = heads.size_v;
            out.v.hadamard = view.v_hadamard;
            out.v.transposed = view.v_transposed;
            return out;
        }
    }
    throw unavailable(layer, "it has no KV cache");
}

std::shared_ptr<const linear_map> map_at(const std::vector<std::shared_ptr<const linear_map>> & maps, size_t layer) {
    return layer < maps.size() ? maps[layer] : nullptr;
}

void check_shapes(const translate_step & step) {
    const std::string what = step.is_k ? "K" : "V";
    const uint32_t n_in = step.from.n_embd(), n_out = step.to.n_embd();
    if (!step.map && (step.from.n_head != step.to.n_head || step.from.head_size != step.to.head_size))
        throw unavailable(step.layer, "the heads of " + what + " differ and there is no linear map for them");
    if (step.map && (step.map->n_in != n_in || step.map->n_out != n_out))
        throw unavailable(step.layer, "the linear map of " + what + " is " + std::to_string(step.map->n_out) + " x " +
                                          std::to_string(step.map->n_in) + ", but " + std::to_string(n_out) + " x " +
                                          std::to_string(n_in) + " is needed");
}

}  // namespace

translation resolve_translation(const llama_context * from, const llama_context * to, const translator & translator) {
    const auto views_from = view_kv(from), views_to = view_kv(to);
    translation plan;
    for (const kv_cache_view & view : views_to)
        for (const kv_layer_view & entry : view.layers) {
            const uint32_t layer = entry.layer;
            const uint32_t source = translator.layers.empty() ? layer : (uint32_t) translator.layers[layer];
            const layer_storage a = storage_of(views_from, from, source), b = storage_of(views_to, to, layer);

            translate_step k;
            k.layer = layer;
            k.from = a.k;
            k.to = b.k;
            k.map = map_at(translator.k, layer);
            const auto rope_a = std::make_shared<const rope_parameters>(rope_of(from, source));
            const auto rope_b = std::make_shared<const rope_parameters>(rope_of(to, layer));
            if (k.map ? translator.before_rope : *rope_a != *rope_b) {
                if (!rope_a->plain() || !rope_b->plain())
                    throw unavailable(layer, "its position encoding has several positions per token");
                if (!rope_a->none()) k.unrotate = rope_a;
                if (!rope_b->none()) k.rerotate = rope_b;
            }
            check_shapes(k);
            plan.steps.push_back(std::move(k));

            translate_step v;
            v.layer = layer;
            v.is_k = false;
            v.from = a.v;
            v.to = b.v;
            v.map = map_at(translator.v, layer);
            check_shapes(v);
            plan.steps.push_back(std::move(v));
        }
    std::stable_sort(plan.steps.begin(), plan.steps.end(),
                     [](const translate_step & a, const translate_step & b) { return a.layer < b.layer; });
    return plan;
}

translation inverse_of(const translation & plan, const llama_context * from) {
    translation back;
    std::vector<uint32_t> reached;
    for (const translate_step & step : plan.steps) {
        if (step.map) return {};
        translate_step inverse = step;
        std::swap(inverse.from, inverse.to);
        std::swap(inverse.unrotate, inverse.rerotate);
        // A source layer that feeds two layers of the target comes back from the first of them.
        const auto same = [&](const translate_step & other) { return other.to.tensor == inverse.to.tensor; };
        if (std::any_of(back.steps.begin(), back.steps.end(), same)) continue;
        back.steps.push_back(std::move(inverse));
    }
    size_t n_layers = 0;
    for (const kv_cache_view & view : view_kv(from)) n_layers += view.layers.size();
    if (back.steps.size() != 2 * n_layers) return {};
    return back;
}

// --- the choice ---

namespace {

bool all_on_host(const translation & plan) {
    return std::all_of(plan.steps.begin(), plan.steps.end(),
                       [](const translate_step & step) { return step.from.on_host() && step.to.on_host(); });
}

struct chosen {
    std::unique_ptr<translate_implementation> implementation;
    std::string reason;
};

std::unique_ptr<translate_implementation> make_metal(const translation & plan) {
#ifdef __APPLE__
    return make_metal_translate(plan);
#else
    (void) plan;
    throw failure(error_code::handover_unavailable, "Metal translation runs only on macOS",
                  { { "implementation", "metal" } });
#endif
}

std::unique_ptr<translate_implementation> make_cuda(const translation & plan, const std::string & library) {
    if (library.empty())
        throw failure(error_code::handover_unavailable,
                      "the CUDA translation library was not found; build it with OVERFILL_CUDA=ON",
                      { { "implementation", "cuda" } });
    return make_cuda_translate(plan, library);
}

// The CPU reads and writes its own memory fastest. Where a cache lies on a device, a fused kernel is tried first, then
// a graph on the device that holds the target, for which only the source's bytes have to cross; the CPU can do all the
// rest.
chosen choose(const translation & plan, const implementation_options & options) {
    switch (options.choice) {
    case implementation_choice::cpu: return { make_cpu_translate(plan, options.n_threads), "cpu was asked for" };
    case implementation_choice::graph: return { make_graph_translate(plan, options.n_threads), "graph was asked for" };
    case implementation_choice::cuda: return { make_cuda(plan, options.cuda_library), "cuda was asked for" };
    case implementation_choice::metal: return { make_metal(plan), "metal was asked for" };
    case implementation_choice::automatic: break;
    }
    if (all_on_host(plan))
        return { make_cpu_translate(plan, options.n_threads), "both caches are in the CPU's memory" };
    std::string refusals;
    const auto attempt = [&](const auto & make) -> std::unique_ptr<translate_implementation> {
        try {
            return make();
        } catch (const failure & error) {
            if (error.code() != error_code::handover_unavailable) throw;
            refusals += (refusals.empty() ? "" : "; ") + std::string(error.what());
            return nullptr;
        }
    };
    if (!options.cuda_library.empty())
        if (auto made = attempt([&] { return make_cuda(plan, options.cuda_library); }))
            return { std::move(made), "both caches are on a CUDA device" };
#ifdef __APPLE__
    if (auto made = attempt([&] { return make_metal(plan); }))
        return { std::move(made), "both caches are on the Metal device" };
#endif
    if (auto made = attempt([&] { return make_graph_translate(plan, options.n_threads); }))
        return { std::move(made), refusals.empty() ? "a cache is on a device" : refusals };
    return { make_cpu_translate(plan, options.n_threads), refusals };
}

}  // namespace

translate_handover::translate_handover(llama_context * from, llama_context * to, translation plan,
                                       const implementation_options & options)
    : from_(from), to_(to), plan_(std::move(plan)) {
    auto [implementation, reason] = choose(plan_, options);
    implementation_ = std::move(implementation);
    reason_ = std::move(reason);
}

// --- a run ---

translate_job translate_handover::prepare(llama_seq_id sequence, llama_pos from_position) {
    translate_job job;
    const size_t n_from = view_kv_count(from_), n_to = view_kv_count(to_);
    std::vector<std::vector<kv_cell>> cells;
    for (size_t a = 0; a < n_from; a++) {
        cells.push_back(cells_of(from_, a, sequence, from_position));
        job.from_stream[a] = stream_of(from_, a, sequence);
    }
    for (size_t b = 0; b < n_to; b++) {
        job.to_stream[b] = stream_of(to_, b, sequence);
        // The full cache has every token; a sliding one may have let go of some.
        std::vector<llama_pos> positions;
        for (const kv_cell & cell : cells[0]) positions.push_back(cell.position);
        const std::vector<uint32_t> taken = take_cells(to_, b, sequence, positions);
        for (size_t a = 0; a < n_from; a++) {
            const bool used = std::any_of(plan_.steps.begin(), plan_.steps.end(), [&](const translate_step & step) {
                return step.from.cache == a && step.to.cache == b;
            });
            if (!used) continue;
            if (cells[a].size() != positions.size())
                throw failure(error_code::handover_unavailable,
                              "the prefill model's sliding-window cache no longer holds " +
                                  std::to_string(positions.size() - cells[a].size()) + " of the tokens",
                              { { "tokens", positions.size() } });
            for (size_t i = 0; i < taken.size(); i++)
                job.moves[a][b].push_back({ cells[a][i].index, taken[i], positions[i] });
        }
    }
    return job;
}

handover_report translate_handover::nothing_to_do() const {
    handover_report report;
    report.kind = handover_kind::translate;
    report.implementation = implementation_->name();
    report.reason = reason_;
    return report;
}

handover_report translate_handover::run(llama_seq_id sequence, llama_pos from_position) {
    const auto begin = std::chrono::steady_clock::now();
    llama_synchronize(from_);
    llama_synchronize(to_);
    llama_memory_t memory = llama_get_memory(to_);
    llama_memory_seq_rm(memory, sequence, from_position, -1);

    handover_report report = nothing_to_do();
    const log_capture log;
    try {
        const translate_job job = prepare(sequence, from_position);
        implementation_->run(job);
        report.n_bytes = bytes_written(plan_, job);
        for (const auto & row : job.moves)
            for (const auto & moves : row) report.n_tokens = std::max(report.n_tokens, (uint32_t) moves.size());
    } catch (...) {
        llama_memory_seq_rm(memory, sequence, from_position, -1);
        throw;
    }
    report.milliseconds = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
    return report;
}

}  // namespace overfill
