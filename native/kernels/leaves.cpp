#include "leaves.h"

#include "leaf.h"

#if defined(_MSC_VER) && (defined(_M_X64) || defined(_M_IX86))
#include <immintrin.h>
#include <intrin.h>
#elif defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#elif defined(__aarch64__) && defined(__APPLE__)
#include <sys/sysctl.h>
#endif

namespace overfill::kernels {

namespace {

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))

// Two features that clang's builtin knows late or not at all, by the bits of the instruction itself.
bool has_f16c() {
    unsigned a = 0, b = 0, c = 0, d = 0;
    return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c >> 29 & 1) != 0;
}
[[maybe_unused]] bool has_vnni_bit() {
    unsigned a = 0, b = 0, c = 0, d = 0;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a >> 4 & 1) != 0;
}
bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c(); }
[[maybe_unused]] bool has_avx_vnni() { return has_avx2() && has_vnni_bit(); }
bool has_avx512() {
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vnni");
}

#elif defined(_M_X64)

// Whether the system keeps these registers: bits of XCR0.
bool keeps(unsigned long long registers) {
    int basic[4];
    __cpuid(basic, 1);
    return (basic[2] >> 27 & 1) && (_xgetbv(0) & registers) == registers;
}
bool has_avx2() {
    int basic[4];
    int extended[4];
    __cpuid(basic, 1);
    __cpuidex(extended, 7, 0);
    return keeps(6) && (basic[2] >> 12 & 1) && (basic[2] >> 29 & 1) && (extended[1] >> 5 & 1);
}
[[maybe_unused]] bool has_avx_vnni() {
    int extended[4];
    __cpuidex(extended, 7, 1);
    return has_avx2() && (extended[0] >> 4 & 1);
}
bool has_avx512() {
    int extended[4];
    __cpuidex(extended, 7, 0);
    const bool all = (extended[1] >> 16 & 1) && (extended[1] >> 17 & 1) && (extended[1] >> 30 & 1) &&
                     (extended[1] >> 31 & 1) && (extended[2] >> 11 & 1);
    return has_avx2() && keeps(0xe6) && all;
}

#elif defined(__aarch64__) && defined(__linux__)

// By their numbers: the headers of older systems lack the names.
[[maybe_unused]] bool has_arm_dotprod() { return (getauxval(AT_HWCAP) >> 20 & 1) != 0; }
[[maybe_unused]] bool has_arm_i8mm() { return (getauxval(AT_HWCAP2) >> 13 & 1) != 0; }

#elif defined(__aarch64__) && defined(__APPLE__)

bool has_feature(const char * name) {
    int value = 0;
    size_t size = sizeof value;
    return sysctlbyname(name, &value, &size, nullptr, 0) == 0 && value != 0;
}
[[maybe_unused]] bool has_arm_dotprod() { return has_feature("hw.optional.arm.FEAT_DotProd"); }
[[maybe_unused]] bool has_arm_i8mm() { return has_feature("hw.optional.arm.FEAT_I8MM"); }

#endif

struct found {
    const leaf * all[4] = {};
    int count = 0;
    found() {
#ifdef OVERFILL_KERNELS_AVX512
        if (has_avx512()) all[count++] = &avx512_leaf();
#endif
#ifdef OVERFILL_KERNELS_AVX_VNNI
        if (has_avx_vnni()) all[count++] = &avx_vnni_leaf();
#endif
#ifdef OVERFILL_KERNELS_AVX2
        if (has_avx2()) all[count++] = &avx2_leaf();
#endif
#ifdef OVERFILL_KERNELS_ARM_I8MM
        if (has_arm_i8mm()) all[count++] = &arm_i8mm_leaf();
#endif
#ifdef OVERFILL_KERNELS_ARM_DOTPROD
        if (has_arm_dotprod()) all[count++] = &arm_dotprod_leaf();
#endif
        all[count++] = &plain_leaf();
    }
};

}  // namespace

const leaf * const * leaves(int * count) {
    static const found here;
    *count = here.count;
    return here.all;
}

}  // namespace overfill::kernels
