// A short look at a file, on a pool thread.
#pragma once

#include "environment.h"
#include "failure.h"

#include <napi.h>

#include <functional>
#include <memory>
#include <utility>

namespace overfill {

template <class Result> class pool_read final : public Napi::AsyncWorker {
  public:
    // A promise of what `to_value` makes of what `read` gives. `read` runs on the pool, `to_value` on the JavaScript
    // thread.
    static Napi::Value begin(Napi::Env env, std::function<Result()> read,
                             std::function<Napi::Value(Napi::Env, const Result &)> to_value) {
        auto * worker = new pool_read(env, std::move(read), std::move(to_value));  // deletes itself
        const Napi::Promise promise = worker->deferred_.Promise();
        worker->Queue();
        return promise;
    }

    void Execute() override {
        try {
            result_ = read_();
        } catch (...) {
            failure_ = std::make_unique<failure>(current_failure());
        }
    }

    void OnOK() override {
        const Napi::Env env = Env();
        if (failure_)
            deferred_.Reject(to_error(env, *failure_).Value());
        else
            deferred_.Resolve(to_value_(env, result_));
    }

  private:
    pool_read(Napi::Env env, std::function<Result()> read,
              std::function<Napi::Value(Napi::Env, const Result &)> to_value)
        : Napi::AsyncWorker(env), deferred_(Napi::Promise::Deferred::New(env)), read_(std::move(read)),
          to_value_(std::move(to_value)) {}

    Napi::Promise::Deferred deferred_;
    std::function<Result()> read_;
    std::function<Napi::Value(Napi::Env, const Result &)> to_value_;
    Result result_;
    std::unique_ptr<failure> failure_;
};

}  // namespace overfill
