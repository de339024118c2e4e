// Brings the completions of other threads to the JavaScript thread: a queue of events and one thread-safe function as
// its door bell. The bell is rung once for any number of events, and no event carries a JavaScript handle, so that
// events may be made and dropped on any thread.
#pragma once

#include "bell.h"
#include "event_queue.h"
#include "failure.h"

#include <napi.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <variant>
#include <vector>

namespace overfill {

class mailbox {
  public:
    // Makes the value of a settled call on the JavaScript thread.
    using make_value = std::function<Napi::Value(Napi::Env)>;
    // Makes the arguments of a progress callback, there as well.
    using make_arguments = std::function<std::vector<napi_value>(Napi::Env)>;

    static std::shared_ptr<mailbox> make(Napi::Env env);

    // --- JavaScript thread ---

    struct call {
        uint64_t id;
        Napi::Promise promise;
    };

    // A promise that `resolve` or `reject` will settle. While one is open the process stays alive. `on_progress` may be
    // empty; it is called with the arguments that `progress` or `tell` was given. `needed` is held until the promise is
    // settled; it may be empty.
    call open(Napi::Env env, Napi::Function on_progress = Napi::Function(), Napi::Object needed = Napi::Object());

    // A call that did not begin: its promise is never settled.
    void drop(Napi::Env env, uint64_t id);

    // The process does not stay alive for this call, if it is open still.
    void let_end(Napi::Env env, uint64_t id);

    // At the end of the environment, when no other thread posts any more: the bell is about to be freed by Node.
    void shut();

    // --- any thread ---

    // These two must get through: where there is no memory to keep the answer, it is ERR_OUT_OF_MEMORY.
    void resolve(uint64_t id, make_value value) noexcept;
    void reject(uint64_t id, const failure & error) noexcept;
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
        Napi::ObjectReference needed;
        bool keeps_alive = true;
    };

    mailbox() = default;
    template <class Settled> void settle(uint64_t id, const Settled & make) noexcept;
    void deliver(Napi::Env env);
    void deliver_one(Napi::Env env, const event & item);
    std::vector<uint64_t> take_lost();
    pending close(Napi::Env env, std::unordered_map<uint64_t, pending>::iterator entry);

    std::unique_ptr<bell> bell_;
    event_queue<event> events_{ [this] { return bell_->ring(); } };
    std::unordered_map<uint64_t, pending> pending_;  // JavaScript thread
    size_t n_keeping_alive_ = 0;                     // of them
    uint64_t next_id_ = 1;
    std::mutex lost_mutex_;
    std::vector<uint64_t> lost_;  // calls to be rejected for want of memory; has room for all that are open
};

}  // namespace overfill
