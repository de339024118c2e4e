// The entries that libFuzzer calls.
#include "fuzz_target.h"

#include <cstddef>
#include <cstdint>

extern "C" int LLVMFuzzerInitialize(int *, char ***) {
    static const overfill::test::fuzz_process first;
    return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t * data, size_t size) {
    overfill::test::fuzz_one(std::string(reinterpret_cast<const char *>(data), size));
    return 0;
}
