// The JavaScript classes of the addon: a pair, its sessions, and the stream of one answer. Each holds its engine object
// and opens its promises in the pair's mailbox. All methods run on the JavaScript thread.
#pragma once

#include "engine.h"
#include "environment.h"
#include "mailbox.h"

#include <napi.h>

#include <atomic>
#include <functional>
#include <memory>

namespace overfill {

class pair_wrapper : public Napi::ObjectWrap<pair_wrapper> {
  public:
    static Napi::Function define(Napi::Env env);
    static Napi::Value load(const Napi::CallbackInfo & info);

    explicit pair_wrapper(const Napi::CallbackInfo & info);
    void Finalize(Napi::BasicEnv env) override;

    const std::shared_ptr<mailbox> & box() const { return box_; }

  private:
    void begin(const Napi::CallbackInfo & info, Napi::Object self);
    Napi::Value abort_load(const Napi::CallbackInfo & info);
    Napi::Value tokenize(const Napi::CallbackInfo & info);
    Napi::Value detokenize(const Napi::CallbackInfo & info);
    Napi::Value encode(const Napi::CallbackInfo & info);
    Napi::Value tokenize_later(const Napi::CallbackInfo & info);
    Napi::Value detokenize_later(const Napi::CallbackInfo & info);
    Napi::Value encode_later(const Napi::CallbackInfo & info);
    Napi::Value render_chat(const Napi::CallbackInfo & info);
    Napi::Value parse_answer(const Napi::CallbackInfo & info);
    Napi::Value cell_facts(const Napi::CallbackInfo & info);
    Napi::Value metrics(const Napi::CallbackInfo & info);
    Napi::Value create_session(const Napi::CallbackInfo & info);
    Napi::Value leave_queue(const Napi::CallbackInfo & info);
    Napi::Value dispose(const Napi::CallbackInfo & info);

    // A promise for the value that `to_value` makes of what `start` begins; what `start` throws rejects it.
    template <class T, class V, class F> Napi::Value later(Napi::Env env, V to_value, F && start);

    std::shared_ptr<mailbox> box_;
    std::shared_ptr<engine> engine_;
    Napi::ObjectReference disposed_;  // the promise of dispose()
    // A worker that is terminated takes its engine threads with it.
    std::unique_ptr<end_hook> hook_;
};

template <class T, class V, class F> Napi::Value pair_wrapper::later(Napi::Env env, V to_value, F && start) {
    const mailbox::call call = box_->open(env);
    const auto box = box_;
    const uint64_t id = call.id;
    const auto done = [box, id, to_value](const T & result) {
        box->resolve(id, [result, to_value](Napi::Env env) -> Napi::Value { return to_value(env, result); });
    };
    try {
        start(completion<T>{ done, [box, id](const failure & error) { box->reject(id, error); } });
    } catch (...) {
        box_->reject(id, current_failure());
    }
    return call.promise;
}

class session_wrapper : public Napi::ObjectWrap<session_wrapper> {
  public:
    static Napi::Function define(Napi::Env env);
    static Napi::Value make(Napi::Env env, Napi::Object pair, std::shared_ptr<mailbox> box,
                            std::shared_ptr<session_handle> handle);

    explicit session_wrapper(const Napi::CallbackInfo & info);

  private:
    Napi::Value prefill(const Napi::CallbackInfo & info);
    Napi::Value prefill_elsewhere(const Napi::CallbackInfo & info);
    Napi::Value give_cells(const Napi::CallbackInfo & info);
    Napi::Value hand_over(const Napi::CallbackInfo & info);
    Napi::Value decode(const Napi::CallbackInfo & info);
    Napi::Value retract(const Napi::CallbackInfo & info);
    Napi::Value truncate(const Napi::CallbackInfo & info);
    Napi::Value fork(const Napi::CallbackInfo & info);
    Napi::Value save(const Napi::CallbackInfo & info);
    Napi::Value restore(const Napi::CallbackInfo & info);
    Napi::Value score(const Napi::CallbackInfo & info);
    Napi::Value abort(const Napi::CallbackInfo & info);
    Napi::Value stats(const Napi::CallbackInfo & info);
    Napi::Value dispose(const Napi::CallbackInfo & info);

    // A promise for what `start` begins; what `start` throws rejects it.
    template <class F> Napi::Value promise_of(Napi::Env env, Napi::Function on_progress, F && start);

    Napi::ObjectReference pair_;  // keeps the pair alive
    std::shared_ptr<mailbox> box_;
    std::shared_ptr<session_handle> handle_;
    Napi::ObjectReference disposed_;
};

template <class F> Napi::Value session_wrapper::promise_of(Napi::Env env, Napi::Function on_progress, F && start) {
    const mailbox::call call = box_->open(env, on_progress);
    const auto box = box_;
    const uint64_t id = call.id;
    try {
        start(box, id, [box, id](const failure & error) { box->reject(id, error); });
    } catch (...) {
        box_->reject(id, current_failure());
    }
    return call.promise;
}

class stream_wrapper : public Napi::ObjectWrap<stream_wrapper> {
  public:
    static Napi::Function define(Napi::Env env);
    static Napi::Value make(Napi::Env env, Napi::Object session, std::shared_ptr<mailbox> box,
                            const std::function<std::shared_ptr<token_stream>(std::function<void()>)> & begin);

    explicit stream_wrapper(const Napi::CallbackInfo & info) : Napi::ObjectWrap<stream_wrapper>(info) {}

  private:
    Napi::Value read(const Napi::CallbackInfo & info);

    // What the engine thread touches when the stream becomes readable.
    struct reader {
        static constexpr uint64_t nobody = 0, rang = UINT64_MAX;

        std::shared_ptr<mailbox> box;
        std::weak_ptr<token_stream> stream;
        std::atomic<uint64_t> waiting{ nobody };  // the call that waits, or one of the two above

        void on_readable() noexcept;
    };

    Napi::ObjectReference session_;  // keeps the session alive
    std::shared_ptr<reader> reader_;
    std::shared_ptr<token_stream> stream_;
};

}  // namespace overfill
