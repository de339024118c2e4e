// Thrown where a read or a handover found no free cells in a pool that sessions share (cache_pool.h), and those of
// sessions that came earlier have to be waited for. Nothing was written; the step can be tried again.
#pragma once

#include <exception>

namespace overfill {

class no_room final : public std::exception {
  public:
    const char * what() const noexcept override { return "no room in the pool"; }
};

}  // namespace overfill
