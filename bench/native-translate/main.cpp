// Times the translate implementations on caches of random values: bytes read and written over time, against memcpy of the
// same bytes by as many threads, and linear maps against ggml's mul_mat. Prints one line of JSON a measurement.
//
//   translate-bench BACKENDS LAYERS HEADS HEAD_SIZE TOKENS THREADS ROUNDS
#include "devices.h"
#include "failure.h"
#include "linear_runner.h"
#include "thread_team.h"
#include "translation.h"

#include <ggml-cpp.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <random>

using namespace overfill;

namespace {

struct setting {
    uint32_t n_layers, n_heads, head_size, n_tokens;
    int32_t n_threads, n_rounds;
};

struct side {
    ggml_type type;
    bool transposed = false;
    uint32_t hadamard = 0;
};

// All layers of a cache, in one buffer.
class cache {
  public:
    cache(const setting & s, const side & k, const side & v)
        : ctx_(ggml_init({ (2 * s.n_layers + 8) * ggml_tensor_overhead(), nullptr, true })) {
        for (uint32_t layer = 0; layer < s.n_layers; layer++)
            for (const side * part : { &k, &v }) {
                kv_storage storage;
                storage.tensor = ggml_new_tensor_3d(ctx_.get(), part->type, s.n_heads * s.head_size, s.n_tokens, 1);
                storage.n_head = s.n_heads;
                storage.head_size = s.head_size;
                storage.n_cells = s.n_tokens;
                storage.hadamard = part->hadamard;
                storage.transposed = part->transposed;
                parts.push_back(storage);
            }
        buffer_.reset(ggml_backend_alloc_ctx_tensors_from_buft(ctx_.get(), ggml_backend_cpu_buffer_type()));
        if (!buffer_) throw failure(error_code::out_of_memory, "not enough memory for a cache");
        ggml_backend_buffer_clear(buffer_.get(), 0);  // touches every page
    }

    void fill() {
        const kv_storage & first = parts.front();
        std::mt19937 random(1);
        std::normal_distribution<float> normal;
        std::vector<float> values(1 << 20);
        for (float & value : values) value = normal(random);
        std::vector<uint8_t> bytes(ggml_row_size(first.type(), (int64_t) values.size()));
        ggml_quantize_chunk(first.type(), values.data(), bytes.data(), 0, 1, (int64_t) values.size(), nullptr);
        for (const kv_storage & part : parts)
            for (size_t at = 0; at < ggml_nbytes(part.tensor); at += bytes.size())
                std::memcpy((uint8_t *) part.tensor->data + at, bytes.data(),
                            std::min(bytes.size(), ggml_nbytes(part.tensor) - at));
    }

    std::vector<kv_storage> parts;

  private:
    ggml_context_ptr ctx_;
    ggml_backend_buffer_ptr buffer_;
};

double seconds(const std::function<void()> & work) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// Every thread copies its share of every tensor, in one piece each.
void copy_all(const std::vector<std::pair<uint8_t *, const uint8_t *>> & pieces, size_t n_bytes, int32_t n_threads) {
    thread_team team(n_threads);
    team.each(pieces.size(), [&](size_t i, size_t) { std::memcpy(pieces[i].first, pieces[i].second, n_bytes); });
}

void print(const std::string & name, const std::string & against, double bytes_or_flops, const std::vector<double> & own,
           const std::vector<double> & other) {
    std::printf("{\"name\":\"%s\",\"against\":\"%s\",\"amount\":%.0f,\"seconds\":[", name.c_str(), against.c_str(),
                bytes_or_flops);
    for (size_t i = 0; i < own.size(); i++) std::printf("%s%.6f", i ? "," : "", own[i]);
    std::printf("],\"otherSeconds\":[");
    for (size_t i = 0; i < other.size(); i++) std::printf("%s%.6f", i ? "," : "", other[i]);
    std::printf("]}\n");
    std::fflush(stdout);
}

translate_job all_tokens(uint32_t n) {
    translate_job job;
    for (uint32_t i = 0; i < n; i++) job.moves[0][0].push_back({ i, i, (llama_pos) i });
    return job;
}

using change = std::function<void(translate_step &)>;

translation plan_between(const cache & from, const cache & to, const change & edit) {
    translation plan;
    for (size_t i = 0; i < from.parts.size(); i++) {
        translate_step step;
        step.layer = (uint32_t) i / 2;
        step.is_k = i % 2 == 0;
        step.from = from.parts[i];
        step.to = to.parts[i];
        edit(step);
        plan.steps.push_back(step);
    }
    return plan;
}

size_t n_bytes(const cache & c) {
    size_t n = 0;
    for (const kv_storage & part : c.parts) n += ggml_nbytes(part.tensor);
    return n;
}

// The CPU implementation against memcpy of as many bytes (half of those read and written), and the graph against it.
void measure(const setting & s, const std::string & name, const side & from_k, const side & from_v, const side & to_k,
             const side & to_v, const change & edit, bool with_graph) {
    cache from(s, from_k, from_v), to(s, to_k, to_v);
    from.fill();
    const translate_job job = all_tokens(s.n_tokens);
    const translation plan = plan_between(from, to, edit);
    const auto cpu = make_cpu_translate(plan, s.n_threads);
    const auto graph = with_graph ? make_graph_translate(plan, s.n_threads) : nullptr;

    const size_t amount = n_bytes(from) + n_bytes(to), n_pieces = (size_t) s.n_threads * 4;
    const size_t piece = amount / 2 / n_pieces;
    std::vector<uint8_t> a(piece * n_pieces, 1), b(piece * n_pieces, 2);
    std::vector<std::pair<uint8_t *, const uint8_t *>> pieces;
    for (size_t i = 0; i < n_pieces; i++) pieces.push_back({ b.data() + i * piece, a.data() + i * piece });

    std::vector<double> cpu_times, graph_times, copy_times;
    cpu->run(job);
    for (int round = 0; round < s.n_rounds; round++) {
        copy_times.push_back(seconds([&] { copy_all(pieces, piece, s.n_threads); }));
        cpu_times.push_back(seconds([&] { cpu->run(job); }));
        if (graph) graph_times.push_back(seconds([&] { graph->run(job); }));
    }
    print(name, "memcpy", (double) amount, cpu_times, copy_times);
    if (graph) print(name + ", ggml graph", "cpu", (double) amount, graph_times, cpu_times);
}

void measure_maps(setting s) {
    // A tenth of the tokens: arithmetic does not get faster with their number.
    s.n_tokens /= 8;
    s.n_layers = 4;
    const side half{ GGML_TYPE_F16 };
    cache from(s, half, half), to(s, half, half);
    from.fill();
    const uint32_t n = s.n_heads * s.head_size;
    std::mt19937 random(3);
    std::normal_distribution<float> normal(0, 1 / std::sqrt((float) n));
    const auto map = std::make_shared<linear_map>();
    map->n_in = map->n_out = n;
    for (size_t i = 0; i < (size_t) n * n; i++) map->weight.push_back(normal(random));
    map->bias.assign(n, 0.1f);
    const auto with_map = [&](translate_step & step) { step.map = map; };
    const translation plan = plan_between(from, to, with_map);
    const auto cpu = make_cpu_translate(plan, s.n_threads);
    const auto graph = make_graph_translate(plan, s.n_threads);
    const translate_job job = all_tokens(s.n_tokens);

    linear_runner alone(s.n_threads);
    std::vector<float> in((size_t) n * s.n_tokens, 0.5f), out((size_t) n * s.n_tokens);
    std::vector<double> cpu_times, graph_times, mul_mat_times;
    for (int round = 0; round < s.n_rounds; round++) {
        mul_mat_times.push_back(seconds([&] {
            for (size_t i = 0; i < plan.steps.size(); i++) alone.run(*map, in.data(), out.data(), s.n_tokens);
        }));
        cpu_times.push_back(seconds([&] { cpu->run(job); }));
        graph_times.push_back(seconds([&] { graph->run(job); }));
    }
    const double flops = 2.0 * n * n * s.n_tokens * (double) plan.steps.size();
    print("linear maps", "mul_mat", flops, cpu_times, mul_mat_times);
    print("linear maps, ggml graph", "cpu", flops, graph_times, cpu_times);
}

}  // namespace

int main(int argc, char ** argv) {
    if (argc != 8) {
        std::fprintf(stderr, "usage: translate-bench BACKENDS LAYERS HEADS HEAD_SIZE TOKENS THREADS ROUNDS\n");
        return 2;
    }
    const auto number = [&](int i) { return (uint32_t) std::strtoul(argv[i], nullptr, 10); };
    const setting s{ number(2), number(3), number(4), number(5), (int32_t) number(6), (int32_t) number(7) };
    try {
        load_cpu_backend(argv[1]);
        const auto nothing = [](translate_step &) {};
        const side f16{ GGML_TYPE_F16 }, transposed{ GGML_TYPE_F16, true },
            q8{ GGML_TYPE_Q8_0, false, s.head_size % 128 == 0 ? 128u : 64u }, q8_v{ GGML_TYPE_Q8_0, false, 64 };
        measure(s, "same type", f16, f16, f16, f16, nothing, true);
        measure(s, "f16 to q8_0, rotated", f16, f16, q8, q8_v, nothing, true);
        measure(s, "f16 to q8_0, not rotated", f16, f16, { GGML_TYPE_Q8_0 }, { GGML_TYPE_Q8_0 }, nothing, false);
        measure(s, "V to transposed V", f16, f16, f16, transposed, nothing, true);
        measure(s, "V from transposed V", f16, transposed, f16, f16, nothing, true);
        rope_parameters from, to;
        from.type = to.type = LLAMA_ROPE_TYPE_NEOX;
        from.n_dims = to.n_dims = (int32_t) s.head_size;
        to.base = 500000;
        const auto a = std::make_shared<const rope_parameters>(from), b = std::make_shared<const rope_parameters>(to);
        measure(s, "another RoPE base", f16, f16, f16, f16, [&](translate_step & step) {
            if (step.is_k) step.unrotate = a, step.rerotate = b;
        }, true);
        measure_maps(s);
    } catch (const failure & error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
