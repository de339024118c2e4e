// The end of this process with its parent, whatever its other threads are doing then: blocked, spinning, deep in a
// driver.
#pragma once

#include <cstdint>

namespace overfill {

// From now on this process ends, by force and within half a second, when the process `parent` has ended; at once where
// that is not the parent any more. A second call does nothing. Throws ERR_OUT_OF_MEMORY where the system has no thread
// to give.
void end_with_parent(int64_t parent);

}  // namespace overfill
