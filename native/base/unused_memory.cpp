#include "unused_memory.h"

// Defines __GLIBC__ where that is the library.
#include <cstdlib>

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace overfill {

void return_unused_memory() {
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

}  // namespace overfill
