// What this machine can do at most, for the kernels' figures to be compared with: additions and multiplications of bytes by
// the processor's instruction for products of bytes, and bytes read from memory.
//
//   native-limits <threads>
//
// Writes one line: operations a second (0 where the processor has no VNNI, or its instructions are not known here), and
// bytes read a second.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <thread>
#include <vector>

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define HAS_VNNI 1
#endif

namespace {

constexpr int rounds = 7;

// The least seconds that all threads took together.
double seconds(int threads, const std::function<void(int)> & work) {
    double least = 1e9;
    for (int round = 0; round < rounds; round++) {
        const auto start = std::chrono::steady_clock::now();
        std::vector<std::thread> others;
        for (int i = 1; i < threads; i++) others.emplace_back(work, i);
        work(0);
        for (auto & other : others) other.join();
        least = std::min(least, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    return least;
}

volatile std::uint64_t sink;

#ifdef HAS_VNNI

constexpr int products = 12;
constexpr std::int64_t repeats = 20'000'000;

__attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni"))) void multiply_512(int) {
    __m512i sums[products];
    for (int i = 0; i < products; i++) sums[i] = _mm512_set1_epi32(i);
    __m512i a = _mm512_set1_epi8(3);
    __m512i b = _mm512_set1_epi8(5);
    for (std::int64_t i = 0; i < repeats; i++) {
        // What is not known to the compiler cannot be reckoned beforehand.
        asm volatile("" : "+v"(a), "+v"(b));
        for (int j = 0; j < products; j++) sums[j] = _mm512_dpbusd_epi32(sums[j], a, b);
    }
    __m512i all = sums[0];
    for (int i = 1; i < products; i++) all = _mm512_add_epi32(all, sums[i]);
    sink = sink + std::uint64_t(_mm512_reduce_add_epi32(all));
}

double operations_per_second(int threads) {
    if (!__builtin_cpu_supports("avx512vnni") || !__builtin_cpu_supports("avx512bw")) return 0;
    return double(threads) * repeats * products * 128 / seconds(threads, multiply_512);
}

#else

double operations_per_second(int) { return 0; }

#endif

double bytes_per_second(int threads) {
    const std::size_t each = std::size_t(512) << 20;
    std::vector<std::vector<std::uint64_t>> memory;
    for (int i = 0; i < threads; i++) memory.emplace_back(each / 8, std::uint64_t(i));
    const auto read = [&](int thread) {
        const std::uint64_t * at = memory[std::size_t(thread)].data();
        std::uint64_t sums[8] = {};
        for (std::size_t i = 0; i < each / 8; i += 8)
            for (int j = 0; j < 8; j++) sums[j] += at[i + std::size_t(j)];
        for (const std::uint64_t sum : sums) sink = sink + sum;
    };
    return double(each) * threads / seconds(threads, read);
}

}  // namespace

int main(int argc, char ** argv) {
    const int threads = argc == 2 ? std::atoi(argv[1]) : 0;
    if (threads < 1) {
        std::fprintf(stderr, "native-limits: expected <threads>\n");
        return 1;
    }
    std::printf("%.0f %.0f\n", operations_per_second(threads), bytes_per_second(threads));
    return 0;
}
