// Work that recurses as deep as its input is long, on a stack that is large enough for it: the threads that callers
// bring have 8 MB at best.
#pragma once

#include <cstddef>
#include <functional>

namespace overfill {

// Runs `work` on a thread with a stack of `n_bytes`, waits for its end, and throws what it throws. Memory is only taken
// for the part of the stack that is used, and is given back at the end. Throws ERR_OUT_OF_MEMORY if the system gives no
// such thread.
void with_stack(size_t n_bytes, const std::function<void()> & work);

}  // namespace overfill
