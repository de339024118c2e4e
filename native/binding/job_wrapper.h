// The JavaScript class of a long job that runs on a thread of its own: its promise is the property `finished`, its
// method `abort` ends it. What the job does and makes is its starter's business.
#pragma once

#include "background_job.h"
#include "environment.h"
#include "mailbox.h"

#include <napi.h>

#include <atomic>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace overfill {

class job_wrapper : public Napi::ObjectWrap<job_wrapper> {
  public:
    // Any thread; the numbers become the arguments of the progress callback.
    using report = std::function<void(std::vector<double> arguments)>;
    // Any thread, for news that are not numbers alone: the arguments are made on the JavaScript thread.
    using news = std::function<void(mailbox::make_arguments arguments)>;

    static Napi::Function define(Napi::Env env);

    // Begins `work` at once. `work` runs on the job's thread, `to_value` on the JavaScript thread.
    template <class Result>
    static Napi::Value begin(Napi::Env env, Napi::Function on_progress,
                             std::function<Result(const report & report, const std::atomic<bool> & stop)> work,
                             std::function<Napi::Value(Napi::Env, const Result &)> to_value) {
        return make(env, on_progress, [&](const std::shared_ptr<mailbox> & box, uint64_t id) {
            const report tell = [box, id](std::vector<double> arguments) { box->progress(id, std::move(arguments)); };
            return start<Result>(
                box, id, [work = std::move(work), tell](const std::atomic<bool> & stop) { return work(tell, stop); },
                std::move(to_value));
        });
    }

    // The same without progress.
    template <class Result>
    static Napi::Value begin_quiet(Napi::Env env, std::function<Result(const std::atomic<bool> & stop)> work,
                                   std::function<Napi::Value(Napi::Env, const Result &)> to_value) {
        return make(env, Napi::Function(), [&](const std::shared_ptr<mailbox> & box, uint64_t id) {
            return start<Result>(box, id, std::move(work), std::move(to_value));
        });
    }

    // As `begin` with news of any kind.
    template <class Result>
    static Napi::Value begin_telling(Napi::Env env, Napi::Function on_news,
                                     std::function<Result(const news & tell, const std::atomic<bool> & stop)> work,
                                     std::function<Napi::Value(Napi::Env, const Result &)> to_value) {
        return make(env, on_news, [&](const std::shared_ptr<mailbox> & box, uint64_t id) {
            const news tell = [box, id](mailbox::make_arguments arguments) { box->tell(id, std::move(arguments)); };
            return start<Result>(
                box, id, [work = std::move(work), tell](const std::atomic<bool> & stop) { return work(tell, stop); },
                std::move(to_value));
        });
    }

    explicit job_wrapper(const Napi::CallbackInfo & info);
    void Finalize(Napi::BasicEnv env) override;

  private:
    // A background_job of any result.
    struct job {
        virtual ~job() = default;
        virtual void abort() = 0;
        virtual void join() = 0;
    };
    template <class Result> struct job_of final : job {
        job_of(std::function<Result(const std::atomic<bool> & stop)> work, completion<Result> end)
            : thread(std::move(work), std::move(end)) {}
        void abort() override { thread.abort(); }
        void join() override { thread.join(); }

        background_job<Result> thread;
    };
    using starter = std::function<std::unique_ptr<job>(const std::shared_ptr<mailbox> & box, uint64_t id)>;

    template <class Result>
    static std::unique_ptr<job> start(const std::shared_ptr<mailbox> & box, uint64_t id,
                                      std::function<Result(const std::atomic<bool> & stop)> work,
                                      std::function<Napi::Value(Napi::Env, const Result &)> to_value) {
        completion<Result> end;
        end.done = [box, id, to_value = std::move(to_value)](const Result & result) {
            box->resolve(id, [result, to_value](Napi::Env env) { return to_value(env, result); });
        };
        end.failed = [box, id](const failure & error) { box->reject(id, error); };
        return std::make_unique<job_of<Result>>(std::move(work), std::move(end));
    }

    static Napi::Value make(Napi::Env env, Napi::Function on_progress, const starter & start);
    Napi::Value abort(const Napi::CallbackInfo & info);

    std::shared_ptr<mailbox> box_;
    std::unique_ptr<job> job_;
    // A worker that is terminated takes its jobs with it.
    std::unique_ptr<end_hook> hook_;
};

}  // namespace overfill
