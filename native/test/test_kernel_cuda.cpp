// The fused kernel on a CUDA device: the cases of test_kernel.cpp against the reference, what the C interface does with
// errors, and how fast it is against a copy within the device. Without liboverfill-cuda (OVERFILL_CUDA_LIBRARY) or a
// device the cases are skipped; OVERFILL_TEST_CUDA=required makes that a failure, OVERFILL_TEST_CUDA=time measures too.
// scripts/check/gpu.sh builds and runs all of it.
#include "check.h"
#include "cuda/translate_cuda.h"
#include "kernel_cases.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>

using namespace overfill;
using namespace overfill::test;

namespace {

std::string wanted() {
    const char * value = std::getenv("OVERFILL_TEST_CUDA");
    return value ? value : "";
}

// The library and a device, or null with a line that says why not.
std::shared_ptr<const cuda_library> library() {
    static const std::shared_ptr<const cuda_library> loaded = []() -> std::shared_ptr<const cuda_library> {
        try {
            auto found = std::make_shared<const cuda_library>(find_cuda_library("."));
            char name[128], message[overfill_cuda_message_size] = "";
            check_cuda(found->device_name(name, sizeof name, message), message);
            std::printf("  device: %s\n", name);
            return found;
        } catch (const failure & error) {
            std::printf("  skipped: %s\n", error.what());
            // Whatever is missing, the code says so.
            CHECK_EQUAL(std::string(error_code_name(error.code())), std::string("ERR_HANDOVER_UNAVAILABLE"));
            return nullptr;
        }
    }();
    if (!loaded && !wanted().empty()) report(false, __FILE__, __LINE__, "a CUDA device was required");
    return loaded;
}

// Memory of the device.
class device_memory {
  public:
    device_memory(const cuda_library & library, size_t n_bytes) : library_(library), n_bytes_(n_bytes) {
        char message[overfill_cuda_message_size] = "";
        check_cuda(library.allocate(n_bytes, &data_, message), message);
    }
    ~device_memory() { library_.release(data_); }
    device_memory(const device_memory &) = delete;
    device_memory & operator=(const device_memory &) = delete;

    uint8_t * data() const { return (uint8_t *) data_; }
    size_t size() const { return n_bytes_; }
    void copy_in(const uint8_t * from, size_t n, size_t at) const { copy(data() + at, from, n); }
    void copy_in(const std::vector<uint8_t> & from) const { copy(data_, from.data(), from.size()); }
    void copy_out(std::vector<uint8_t> & to) const { copy(to.data(), data_, to.size()); }

  private:
    void copy(void * to, const void * from, size_t n) const {
        char message[overfill_cuda_message_size] = "";
        check_cuda(library_.copy(to, from, n, message), message);
    }

    const cuda_library & library_;
    void * data_ = nullptr;
    size_t n_bytes_;
};

double run_on_device(const std::shared_ptr<const cuda_library> & cuda, const case_shape & shape, uint32_t seed) {
    kernel_case made(shape, seed);
    std::vector<std::unique_ptr<device_memory>> from, to;
    for (size_t i = 0; i < made.steps.size(); i++) {
        from.push_back(std::make_unique<device_memory>(*cuda, made.steps[i].from.size()));
        to.push_back(std::make_unique<device_memory>(*cuda, made.steps[i].to.size()));
        from[i]->copy_in(made.steps[i].from);
        to[i]->copy_in(made.steps[i].to);
        made.plan.steps[i].from.tensor->data = from[i]->data();
        made.plan.steps[i].to.tensor->data = to[i]->data();
    }
    cuda_translate_device device(cuda, made.plan.steps);
    device.run(made.job);
    for (size_t i = 0; i < made.steps.size(); i++) {
        from[i]->copy_out(made.steps[i].from);
        to[i]->copy_out(made.steps[i].to);
    }
    return made.worst_error();
}

void check_on_device(const std::vector<case_shape> & shapes) {
    const auto cuda = library();
    if (!cuda) return;
    double worst = 0;
    uint32_t seed = 0;
    for (const case_shape & shape : shapes) {
        const double error = run_on_device(cuda, shape, ++seed);
        worst = std::max(worst, error);
        report(error <= 1, __FILE__, __LINE__, shape.title() + ": " + std::to_string(error) + " of the tolerance");
    }
    std::printf("  %u cases, largest error %.3f of the tolerance\n", seed, worst);
}

struct timing {
    const char * title;
    side_shape from, to;
    std::shared_ptr<const rope_parameters> unrotate, rerotate;  // of K
    bool map;
    double target;  // of the copy's speed; 0: none agreed
};

// 28 layers of 8 heads of 128 values, 16,384 cells, a sequence that fills them in order.
const uint32_t n_layers = 28, n_cells = 16384;

kv_storage storage_of(const side_shape & side, ggml_context * tensors, uint8_t * data) {
    kv_storage storage;
    storage.n_head = side.n_head;
    storage.head_size = side.head_size;
    storage.n_cells = n_cells;
    storage.hadamard = side.hadamard;
    storage.transposed = side.transposed;
    storage.tensor = ggml_new_tensor_3d(tensors, side.type, storage.n_embd(), n_cells, 1);
    storage.tensor->data = data;
    return storage;
}

// Finite f16 numbers without a pattern: zeros would be kinder to a device's memory than a cache's values are.
void fill_with_halves(const device_memory & memory) {
    std::vector<uint8_t> pattern((size_t) 64 << 20);
    uint32_t state = 1;
    for (size_t i = 0; i < pattern.size(); i += 2) {
        state = state * 1664525u + 1013904223u;
        pattern[i] = (uint8_t) (state >> 24);
        pattern[i + 1] = (uint8_t) (0x30 + ((state >> 16) & 0x8f));
    }
    for (size_t at = 0; at < memory.size(); at += pattern.size())
        memory.copy_in(pattern.data(), std::min(pattern.size(), memory.size() - at), at);
}

template <class Body> float best_of(int n, Body body) {
    float best = std::numeric_limits<float>::infinity();
    for (int i = 0; i < n; i++) best = std::min(best, body());
    return best;
}

void measure(const std::shared_ptr<const cuda_library> & cuda, const timing & t, double copy_rate) {
    std::unique_ptr<ggml_context, void (*)(ggml_context *)> tensors(
        ggml_init({ ggml_tensor_overhead() * 4 * n_layers, nullptr, true }), ggml_free);
    const size_t from_bytes = ggml_row_size(t.from.type, t.from.n_head * t.from.head_size) * n_cells;
    const size_t to_bytes = ggml_row_size(t.to.type, t.to.n_head * t.to.head_size) * n_cells;
    device_memory from(*cuda, from_bytes * 2 * n_layers), to(*cuda, to_bytes * 2 * n_layers);
    fill_with_halves(from);
    std::vector<translate_step> steps;
    for (uint32_t i = 0; i < 2 * n_layers; i++) {
        translate_step step;
        step.layer = i / 2;
        step.is_k = i % 2 == 0;
        step.from = storage_of(t.from, tensors.get(), from.data() + i * from_bytes);
        step.to = storage_of(t.to, tensors.get(), to.data() + i * to_bytes);
        if (step.is_k) {
            step.unrotate = t.unrotate;
            step.rerotate = t.rerotate;
        }
        if (t.map) {
            auto map = std::make_shared<linear_map>();
            map->n_in = step.from.n_embd();
            map->n_out = step.to.n_embd();
            map->weight.assign((size_t) map->n_in * map->n_out, 0.01f);
            step.map = map;
        }
        steps.push_back(step);
    }
    translate_job job;
    for (uint32_t i = 0; i < n_cells; i++) job.moves[0][0].push_back({ i, i, (llama_pos) i });
    cuda_translate_device device(cuda, steps);
    const float milliseconds = best_of(t.map ? 3 : 10, [&] { return device.time(job); });
    const double rate = (double) (from.size() + to.size()) / milliseconds / 1e6;
    std::printf("  %-44s %8.3f ms %8.1f GB/s %6.1f%% of the copy", t.title, milliseconds, rate, 100 * rate / copy_rate);
    if (t.map)
        std::printf("  %.1f TFLOP/s", 2.0 * t.from.n_head * t.from.head_size * t.to.n_head * t.to.head_size * n_cells *
                                          2 * n_layers / milliseconds / 1e9);
    std::printf("\n");
    if (t.target > 0 && rate < t.target * copy_rate)
        report(false, __FILE__, __LINE__, std::string(t.title) + " is slower than its target");
}

}  // namespace

TEST("on a CUDA device the kernel agrees with the reference for every type, layout, rotation and map") {
    check_on_device(all_cases());
}

TEST("on a CUDA device the kernel agrees with the reference for random shapes") {
    std::vector<case_shape> shapes;
    for (uint32_t seed = 1; seed <= 300; seed++) shapes.push_back(random_case(seed));
    check_on_device(shapes);
}

TEST("pointers outside a CUDA device and more memory than it has are refused with codes") {
    const auto cuda = library();
    if (!cuda) return;
    kernel_case made({}, 1);
    CHECK_FAILURE(error_code::handover_unavailable, cuda_translate_device(cuda, made.plan.steps));
    CHECK_FAILURE(error_code::out_of_memory, device_memory(*cuda, (size_t) 1 << 46));
    // And the device goes on working.
    CHECK(run_on_device(cuda, {}, 1) <= 1);
}

TEST("the speed of the kernel against a copy within the device") {
    if (wanted() != "time") {
        std::printf("  skipped: OVERFILL_TEST_CUDA is not 'time'\n");
        return;
    }
    const auto cuda = library();
    if (!cuda) return;

    side_shape f16;
    f16.n_head = 8;
    f16.head_size = 128;
    side_shape f16_transposed = f16, bf16 = f16, q8_0 = f16, q8_0_rotated = f16, q4_0 = f16;
    f16_transposed.transposed = true;
    bf16.type = GGML_TYPE_BF16;
    q8_0.type = q8_0_rotated.type = GGML_TYPE_Q8_0;
    q8_0_rotated.hadamard = 128;
    q4_0.type = GGML_TYPE_Q4_0;
    const auto low = make_rope(LLAMA_ROPE_TYPE_NEOX, 128, 10000.0f),
               high = make_rope(LLAMA_ROPE_TYPE_NEOX, 128, 500000.0f);

    double copy_rate = 0;
    {
        device_memory from(*cuda, (size_t) 2 * n_layers * n_cells * 2048), to(*cuda, from.size());
        fill_with_halves(from);
        const float milliseconds = best_of(10, [&] {
            char message[overfill_cuda_message_size] = "";
            float time = 0;
            check_cuda(cuda->time_copy(to.data(), from.data(), from.size(), &time, message), message);
            return time;
        });
        copy_rate = 2.0 * (double) from.size() / milliseconds / 1e6;
        std::printf("  %-44s %8.3f ms %8.1f GB/s (read and written)\n", "copy within the device", milliseconds,
                    copy_rate);
    }
    const timing timings[] = {
        { "f16, bytes as they are", f16, f16, nullptr, nullptr, false, 0.85 },
        { "q8_0, bytes as they are", q8_0, q8_0, nullptr, nullptr, false, 0.85 },
        { "f16 transposed, bytes as they are", f16_transposed, f16_transposed, nullptr, nullptr, false, 0 },
        { "f16 to bf16", f16, bf16, nullptr, nullptr, false, 0 },
        { "f16, K with another rotation by position", f16, f16, low, high, false, 0 },
        { "f16 transposed to rows", f16_transposed, f16, nullptr, nullptr, false, 0 },
        { "f16 rows to transposed", f16, f16_transposed, nullptr, nullptr, false, 0 },
        { "f16 to q8_0", f16, q8_0, nullptr, nullptr, false, 0 },
        { "q8_0 to f16", q8_0, f16, nullptr, nullptr, false, 0 },
        { "f16 to q8_0 with Hadamard rotation", f16, q8_0_rotated, nullptr, nullptr, false, 0 },
        { "f16 to q4_0", f16, q4_0, nullptr, nullptr, false, 0 },
        { "f16 with a linear map and rotations", f16, f16, low, high, true, 0 },
    };
    for (const timing & t : timings) measure(cuda, t, copy_rate);
}
