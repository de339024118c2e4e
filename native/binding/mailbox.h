// Brings the engine thread's completions to the JavaScript thread: a queue of events and one thread-safe function as
// its door bell. The bell is rung once for any number of events, and no event carries a JavaScript handle, so that
// events may be made and dropped on any thread.
#pragma once

#include "failure.h"

#include <napi.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <variant>
#include <vector>

namespace overfill {

class mailbox : public std::enable_shared_from_this<mailbox> {
  public:
    // Makes the value of a settled call on the JavaScript thread.
    using make_value = std::function<Napi::Value(Napi::Env)>;
    // Makes the arguments of a progress callback, there as well.
    using make_arguments = std::function<std::vector<napi_value>(Napi::Env)>;

    explicit mailbox(Napi::Env env);
    ~mailbox();

    // --- JavaScript thread ---

    struct call {
        uint64_t id;
        Napi::Promise promise;
    };

    // A promise that `resolve` or `reject` will settle. While one is open the process stays alive. `on_progress` may be
    // empty; it is called with the arguments that `progress` or `tell` was given.
    call open(Napi::Env env, Napi::Function on_progress = Napi::Function());

    // At the end of the environment, when no other thread posts any more: the bell is about to be freed by Node.
    void shut();

    // --- any thread ---

    void resolve(uint64_t id, make_value value);
    void reject(uint64_t id, const failure & error);
    void progress(uint64_t id, std::vector<double> arguments);
    void tell(uint64_t id, make_arguments arguments);

  private:
    struct resolved {
        uint64_t id;
        make_value value;
    };
    struct rejected {
        uint64_t id;
        failure error;
    };
    struct progressed {
        uint64_t id;
        make_arguments arguments;
    };
    using event = std::variant<resolved, rejected, progressed>;

    struct pending {
        Napi::Promise::Deferred deferred;
        Napi::FunctionReference on_progress;
    };

    void post(event item);
    void deliver(Napi::Env env);
    void close(Napi::Env env, uint64_t id);

    Napi::ThreadSafeFunction bell_;
    std::unordered_map<uint64_t, pending> pending_;  // JavaScript thread
    uint64_t next_id_ = 1;
    std::mutex mutex_;
    std::vector<event> events_;
    bool shut_ = false;
};

}  // namespace overfill
