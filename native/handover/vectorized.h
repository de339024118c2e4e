// Marks functions whose loops are worth compiling for several instruction sets: this room is built for the oldest
// processor of its kind, and the loader picks the body that fits the one at hand. Where compilers or libc cannot do
// that (and under sanitizers, whose runtime is not up yet when the choice is made), the plain body serves.
#pragma once

#if defined(__x86_64__) && defined(__gnu_linux__) && defined(__GLIBC__) && defined(__GNUC__) &&                        \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define OVERFILL_VECTORIZED __attribute__((target_clones("avx2", "default")))
#else
#define OVERFILL_VECTORIZED
#endif

// Shuffles of small vectors by the compiler; where it has none, the callers have plain loops.
#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define OVERFILL_HAS_SHUFFLE
#endif
#endif
