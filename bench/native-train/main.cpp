// What training can come to on this machine, for its tokens a second to be compared with: multiply-adds of f32 in
// registers alone, and the products of a step, each of its size, one after the other and without anything between them.
//
//   native-train <threads> <tokens> <columns>x<rows>[x<times>]...
//
// A matrix of so many columns (inputs) and rows (outputs) takes part in three products: forward, the gradient of its
// input, and its own. Writes one line: operations a second in registers (0 where the processor has no instruction for
// them that is known here), of all products, and of each of the three kinds.
#include "product_kernel.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <thread>
#include <vector>

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define HAS_FMA 1
#endif

using overfill::matrix;
using overfill::product_kernels;
using overfill::product_part;

namespace {

constexpr int rounds = 7;

struct weight_shape {
    int64_t n_in, n_out, times;
};

double seconds_since(std::chrono::steady_clock::time_point start) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// The seconds that all threads took together.
double seconds(int threads, const std::function<void(int)> & work) {
    const auto start = std::chrono::steady_clock::now();
    std::vector<std::thread> others;
    for (int i = 1; i < threads; i++) others.emplace_back(work, i);
    work(0);
    for (auto & other : others) other.join();
    return seconds_since(start);
}

volatile float sink;

#ifdef HAS_FMA

constexpr int sums_at_once = 12;
constexpr int64_t repeats = 4'000'000;

__attribute__((target("avx512f"))) void multiply_512(int) {
    __m512 sums[sums_at_once], a = _mm512_set1_ps(0.5f), b = _mm512_set1_ps(0.25f);
    for (int i = 0; i < sums_at_once; i++) sums[i] = _mm512_set1_ps((float) i);
    for (int64_t i = 0; i < repeats; i++) {
        // What is not known to the compiler cannot be reckoned beforehand.
        asm volatile("" : "+v"(a), "+v"(b));
        for (int j = 0; j < sums_at_once; j++) sums[j] = _mm512_fmadd_ps(sums[j], a, b);
    }
    for (int i = 0; i < sums_at_once; i++) sink = sink + _mm512_reduce_add_ps(sums[i]);
}

__attribute__((target("avx2,fma"))) void multiply_256(int) {
    __m256 sums[sums_at_once], a = _mm256_set1_ps(0.5f), b = _mm256_set1_ps(0.25f);
    for (int i = 0; i < sums_at_once; i++) sums[i] = _mm256_set1_ps((float) i);
    for (int64_t i = 0; i < repeats; i++) {
        asm volatile("" : "+x"(a), "+x"(b));
        for (int j = 0; j < sums_at_once; j++) sums[j] = _mm256_fmadd_ps(sums[j], a, b);
    }
    for (int i = 0; i < sums_at_once; i++) sink = sink + _mm256_cvtss_f32(sums[i]);
}

double register_operations_per_second(int threads) {
    if (__builtin_cpu_supports("avx512f"))
        return (double) threads * repeats * sums_at_once * 32 / seconds(threads, multiply_512);
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return (double) threads * repeats * sums_at_once * 16 / seconds(threads, multiply_256);
    return 0;
}

#else

double register_operations_per_second(int) { return 0; }

#endif

// As training divides a product: parts of the longer side.
void run_part(product_part part, int64_t n_a, int64_t n_b, int thread, int threads) {
    const auto cut = [&](int64_t n, int64_t unit, int64_t at) {
        return std::min(n, (n + unit - 1) / unit * at / threads * unit);
    };
    const bool cuts_a = n_a > n_b;
    part.a_begin = cuts_a ? cut(n_a, 32, thread) : 0;
    part.a_end = cuts_a ? cut(n_a, 32, thread + 1) : n_a;
    part.b_begin = cuts_a ? 0 : cut(n_b, 12, thread);
    part.b_end = cuts_a ? n_b : cut(n_b, 12, thread + 1);
    product_kernels().front().run(part);
}

enum kind { forward, of_input, of_weight, n_kinds };

struct step_memory {
    std::vector<float> weight, input, output, sum;
};

void run_products(kind which, const weight_shape & w, int64_t n_tokens, step_memory & m, int thread, int threads) {
    // As [n_out][n_in], [n_tokens][n_in] and [n_tokens][n_out].
    const matrix weight{ m.weight.data(), w.n_in, 1 }, weight_across{ m.weight.data(), 1, w.n_in };
    const matrix input{ m.input.data(), w.n_in, 1 }, input_across{ m.input.data(), 1, w.n_in };
    const matrix output{ m.output.data(), w.n_out, 1 }, output_across{ m.output.data(), 1, w.n_out };
    product_part part{};
    part.out = m.sum.data();
    switch (which) {
    case forward:
        part.a = weight, part.b = input, part.n_k = w.n_in, part.out_stride = w.n_out;
        return run_part(part, w.n_out, n_tokens, thread, threads);
    case of_input:
        part.a = weight_across, part.b = output, part.n_k = w.n_out, part.out_stride = w.n_in;
        return run_part(part, w.n_in, n_tokens, thread, threads);
    default:
        part.a = input_across, part.b = output_across, part.n_k = n_tokens, part.out_stride = w.n_in;
        return run_part(part, w.n_in, w.n_out, thread, threads);
    }
}

}  // namespace

int main(int argc, char ** argv) {
    const int threads = argc > 3 ? std::atoi(argv[1]) : 0;
    const int64_t n_tokens = argc > 3 ? std::atoll(argv[2]) : 0;
    std::vector<weight_shape> weights;
    for (int i = 3; i < argc; i++) {
        long long n_in = 0, n_out = 0, times = 1;
        if (std::sscanf(argv[i], "%lldx%lldx%lld", &n_in, &n_out, &times) < 2 || n_in < 1 || n_out < 1 || times < 1)
            weights.clear(), argc = 0;
        else
            weights.push_back({ n_in, n_out, times });
    }
    if (threads < 1 || n_tokens < 1 || weights.empty()) {
        std::fprintf(stderr, "native-train: expected <threads> <tokens> <columns>x<rows>[x<times>]...\n");
        return 1;
    }
    int64_t widest = 0, largest = 0;
    double operations = 0;
    for (const weight_shape & w : weights) {
        widest = std::max({ widest, w.n_in, w.n_out });
        largest = std::max(largest, w.n_in * w.n_out);
        operations += 2.0 * (double) (w.n_in * w.n_out * w.times * n_tokens);
    }
    step_memory m;
    m.weight.assign((size_t) largest, 0.01f);
    m.input.assign((size_t) (widest * n_tokens), 0.02f);
    m.output.assign((size_t) (widest * n_tokens), 0.03f);
    m.sum.assign((size_t) std::max(largest, widest * n_tokens), 0.0f);

    // The least of rounds that take turns, since neither runs alone on the machine.
    double best = 0, least[n_kinds] = { 1e9, 1e9, 1e9 };
    for (int round = 0; round < rounds; round++) {
        best = std::max(best, register_operations_per_second(threads));
        for (int which = 0; which < n_kinds; which++) {
            const double took = seconds(threads, [&](int thread) {
                for (const weight_shape & w : weights)
                    for (int64_t i = 0; i < w.times; i++) run_products((kind) which, w, n_tokens, m, thread, threads);
            });
            least[which] = std::min(least[which], took);
        }
    }
    const double all = n_kinds * operations / (least[forward] + least[of_input] + least[of_weight]);
    std::printf("%.0f %.0f %.0f %.0f %.0f\n", best, all, operations / least[forward], operations / least[of_input],
                operations / least[of_weight]);
    return 0;
}
