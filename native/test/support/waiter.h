// Waits for the end of an asynchronous call. The failure comes as a copy: an exception that two threads hold is counted
// inside the C++ library, where ThreadSanitizer does not see it.
#pragma once

#include "completion.h"
#include "failure.h"

#include <future>
#include <utility>
#include <variant>

namespace overfill::test {

template <class T> class waiter {
  public:
    // The waiter has to live until it was called.
    completion<T> end() {
        return { [this](const T & value) { promise_.set_value(value); },
                 [this](const failure & error) { promise_.set_value(error); } };
    }

    // Throws the failure.
    T get() {
        std::variant<T, failure> out = promise_.get_future().get();
        if (auto * error = std::get_if<failure>(&out)) throw failure(std::move(*error));
        return std::get<T>(std::move(out));
    }

  private:
    std::promise<std::variant<T, failure>> promise_;
};

}  // namespace overfill::test
