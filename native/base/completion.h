// How an asynchronous call ends: by one of two calls.
#pragma once

#include "failure.h"

#include <functional>

namespace overfill {

template <class T> struct completion {
    std::function<void(const T &)> done;
    std::function<void(const failure &)> failed;
};

}  // namespace overfill
