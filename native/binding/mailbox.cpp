#include "mailbox.h"

#include "environment.h"

namespace overfill {

mailbox::mailbox(Napi::Env env) {
    bell_ = Napi::ThreadSafeFunction::New(env, Napi::Function::New(env, [](const Napi::CallbackInfo &) {}), "overfill",
                                          /*max_queue_size*/ 0, /*initial_thread_count*/ 1);
    bell_.Unref(env);
}

mailbox::~mailbox() {
    if (!shut_) bell_.Release();
}

void mailbox::shut() {
    const std::lock_guard<std::mutex> lock(mutex_);
    shut_ = true;
    events_.clear();
}

mailbox::call mailbox::open(Napi::Env env, Napi::Function on_progress) {
    if (pending_.empty()) bell_.Ref(env);
    const uint64_t id = next_id_++;
    auto deferred = Napi::Promise::Deferred::New(env);
    pending entry{ deferred, {} };
    if (!on_progress.IsEmpty()) entry.on_progress = Napi::Persistent(on_progress);
    pending_.emplace(id, std::move(entry));
    return { id, deferred.Promise() };
}

void mailbox::resolve(uint64_t id, make_value value) { post(resolved{ id, std::move(value) }); }
void mailbox::reject(uint64_t id, const failure & error) { post(rejected{ id, error }); }
void mailbox::tell(uint64_t id, make_arguments arguments) { post(progressed{ id, std::move(arguments) }); }

void mailbox::progress(uint64_t id, std::vector<double> arguments) {
    tell(id, [arguments = std::move(arguments)](Napi::Env env) {
        std::vector<napi_value> values;
        for (const double value : arguments) values.push_back(Napi::Number::New(env, value));
        return values;
    });
}

void mailbox::post(event item) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (shut_) return;
    const bool ring = events_.empty();
    events_.push_back(std::move(item));
    if (!ring) return;
    // The queue has no limit, so this never blocks; while the environment closes it refuses, and nobody listens any
    // more.
    const std::weak_ptr<mailbox> self = weak_from_this();
    bell_.NonBlockingCall([self](Napi::Env env, Napi::Function) {
        const auto box = self.lock();
        if (!box) return;
        try {
            box->deliver(env);
        } catch (const Napi::Error &) {
            // The facade's callbacks throw nothing: this is a worker that was told to end and refuses to run
            // JavaScript. Nobody is left to hear of it, and an exception that left here would end the whole process.
        }
    });
}

void mailbox::close(Napi::Env env, uint64_t id) {
    pending_.erase(id);
    if (pending_.empty()) bell_.Unref(env);
}

void mailbox::deliver(Napi::Env env) {
    std::vector<event> events;
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        events.swap(events_);
    }
    const Napi::HandleScope scope(env);
    for (const event & item : events) {
        if (const auto * done = std::get_if<resolved>(&item)) {
            const auto entry = pending_.find(done->id);
            if (entry == pending_.end()) continue;
            const Napi::Promise::Deferred deferred = entry->second.deferred;
            close(env, done->id);
            try {
                deferred.Resolve(done->value(env));
            } catch (const Napi::Error & error) {
                deferred.Reject(error.Value());
            } catch (...) {
                deferred.Reject(to_error(env, current_failure()).Value());
            }
        } else if (const auto * failed = std::get_if<rejected>(&item)) {
            const auto entry = pending_.find(failed->id);
            if (entry == pending_.end()) continue;
            const Napi::Promise::Deferred deferred = entry->second.deferred;
            close(env, failed->id);
            deferred.Reject(to_error(env, failed->error).Value());
        } else if (const auto * news = std::get_if<progressed>(&item)) {
            const auto entry = pending_.find(news->id);
            if (entry == pending_.end() || entry->second.on_progress.IsEmpty()) continue;
            entry->second.on_progress.Call(news->arguments(env));
        }
    }
}

}  // namespace overfill
