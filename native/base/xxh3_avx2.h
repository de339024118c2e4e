// For xxh3.cpp only: the hashing of long input for processors with AVX2, three times as fast as what every processor of
// the kind can do. The state is the same one.
#pragma once

#include <cstddef>

namespace overfill {

// Whether this build has it and the processor can do it.
bool has_xxh3_avx2();
// `state`: an XXH3_state_t.
void add_to_xxh3_avx2(void * state, const void * data, size_t n_bytes);

}  // namespace overfill
