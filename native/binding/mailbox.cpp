#include "mailbox.h"

#include "environment.h"

#include <new>
#include <utility>

namespace overfill {

std::shared_ptr<mailbox> mailbox::make(Napi::Env env) {
    const std::shared_ptr<mailbox> box(new mailbox);
    box->bell_ = std::make_unique<bell>(env, Napi::Function(),
                                        [self = std::weak_ptr<mailbox>(box)](Napi::Env env, Napi::Function) {
                                            if (const auto box = self.lock()) box->deliver(env);
                                        });
    return box;
}

void mailbox::shut() {
    events_.shut();
    bell_->forget();
}

mailbox::call mailbox::open(Napi::Env env, Napi::Function on_progress, Napi::Object needed) {
    {
        const std::lock_guard<std::mutex> lock(lost_mutex_);
        lost_.reserve(lost_.size() + pending_.size() + 1);
    }
    const uint64_t id = next_id_++;
    const auto deferred = Napi::Promise::Deferred::New(env);
    pending entry{ deferred, {}, {} };
    if (!on_progress.IsEmpty()) entry.on_progress = Napi::Persistent(on_progress);
    if (!needed.IsEmpty()) entry.needed = Napi::Persistent(needed);
    pending_.emplace(id, std::move(entry));
    if (n_keeping_alive_++ == 0) bell_->ref(env);
    return { id, deferred.Promise() };
}

void mailbox::drop(Napi::Env env, uint64_t id) {
    const auto entry = pending_.find(id);
    if (entry != pending_.end()) close(env, entry);
}

void mailbox::let_end(Napi::Env env, uint64_t id) {
    const auto entry = pending_.find(id);
    if (entry == pending_.end() || !std::exchange(entry->second.keeps_alive, false)) return;
    if (--n_keeping_alive_ == 0) bell_->unref(env);
}

void mailbox::tell(uint64_t id, make_arguments arguments) { events_.post(progressed{ id, std::move(arguments) }); }

void mailbox::resolve(uint64_t id, make_value value) noexcept {
    settle(id, [&] { return resolved{ id, std::move(value) }; });
}

void mailbox::reject(uint64_t id, const failure & error) noexcept {
    settle(id, [&] { return rejected{ id, error }; });
}

template <class Settled> void mailbox::settle(uint64_t id, const Settled & make) noexcept {
    try {
        events_.post(make());
    } catch (const std::bad_alloc &) {
        {
            const std::lock_guard<std::mutex> lock(lost_mutex_);
            lost_.push_back(id);
        }
        events_.wake();
    }
}

void mailbox::progress(uint64_t id, std::vector<double> arguments) {
    tell(id, [arguments = std::move(arguments)](Napi::Env env) {
        std::vector<napi_value> values;
        for (const double value : arguments) values.push_back(Napi::Number::New(env, value));
        return values;
    });
}

mailbox::pending mailbox::close(Napi::Env env, std::unordered_map<uint64_t, pending>::iterator entry) {
    pending closed = std::move(entry->second);
    pending_.erase(entry);
    if (closed.keeps_alive && --n_keeping_alive_ == 0) bell_->unref(env);
    return closed;
}

std::vector<uint64_t> mailbox::take_lost() {
    const std::lock_guard<std::mutex> lock(lost_mutex_);
    std::vector<uint64_t> out(lost_);
    lost_.clear();
    return out;
}

void mailbox::deliver(Napi::Env env) {
    std::vector<event> events = events_.take();
    for (const uint64_t id : take_lost())
        events.push_back(rejected{ id, failure(error_code::out_of_memory, "out of memory") });
    deliver_all(events, [&](const event & item) { deliver_one(env, item); });
}

void mailbox::deliver_one(Napi::Env env, const event & item) {
    const Napi::HandleScope scope(env);
    const auto entry = pending_.find(std::visit([](const auto & any) { return any.id; }, item));
    if (entry == pending_.end()) return;
    if (const auto * done = std::get_if<resolved>(&item)) {
        const pending call = close(env, entry);
        try {
            call.deferred.Resolve(done->value(env));
        } catch (const Napi::Error & error) {
            call.deferred.Reject(with_code(env, error).Value());
        } catch (...) {
            call.deferred.Reject(to_error(env, current_failure()).Value());
        }
    } else if (const auto * failed = std::get_if<rejected>(&item)) {
        close(env, entry).deferred.Reject(to_error(env, failed->error).Value());
    } else if (const auto * news = std::get_if<progressed>(&item)) {
        if (!entry->second.on_progress.IsEmpty()) entry->second.on_progress.Call(news->arguments(env));
    }
}

}  // namespace overfill
