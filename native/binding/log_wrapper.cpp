#include "log_wrapper.h"

#include "bell.h"
#include "entry.h"
#include "event_queue.h"
#include "llama_log.h"

#include <atomic>
#include <new>
#include <string>
#include <utility>

namespace overfill {

// Lines that may wait for the JavaScript thread; those that come while it is further behind are counted and dropped.
static constexpr size_t max_waiting_lines = 1000;

class log_wrapper::listener final : public log_listener {
  public:
    static std::shared_ptr<listener> make(Napi::Env env, Napi::Function on_line, log_level least) {
        const std::shared_ptr<listener> made(new listener(least));
        made->bell_ = std::make_unique<bell>(
            env, on_line, [self = std::weak_ptr<listener>(made)](Napi::Env env, Napi::Function on_line) {
                if (const auto listener = self.lock()) listener->deliver(env, on_line);
            });
        return made;
    }

    void on_line(log_level level, const std::string & line) noexcept override {
        if (level < least_) return;
        try {
            if (lines_.try_post({ level, line }, max_waiting_lines)) return;
        } catch (const std::bad_alloc &) {
            // Counted as the lines that find no place.
        }
        n_dropped_++;
    }

    void shut() {
        lines_.shut();
        bell_->forget();
    }

    void close() { lines_.shut(); }

  private:
    explicit listener(log_level least) : least_(least) {}

    void deliver(Napi::Env env, Napi::Function on_line) {
        std::vector<log_line> lines = lines_.take();
        if (const uint64_t n = n_dropped_.exchange(0))
            lines.push_back({ log_level::warn, std::to_string(n) + " log lines came too fast and were dropped" });
        deliver_all(lines, [&](const log_line & line) {
            const Napi::HandleScope scope(env);
            on_line.Call({ Napi::String::New(env, log_level_name(line.level)), Napi::String::New(env, line.text) });
        });
    }

    struct log_line {
        log_level level;
        std::string text;
    };

    log_level least_;
    std::unique_ptr<bell> bell_;
    event_queue<log_line> lines_{ [this] { return bell_->ring(); } };
    std::atomic<uint64_t> n_dropped_{ 0 };
};

Napi::Function log_wrapper::define(Napi::Env env) {
    return DefineClass(env, "NativeLog", { method<log_wrapper, &log_wrapper::stop>("stop") });
}

log_wrapper::log_wrapper(const Napi::CallbackInfo & info) : Napi::ObjectWrap<log_wrapper>(info) {}

Napi::Value log_wrapper::listen(const Napi::CallbackInfo & info) {
    const Napi::Env env = info.Env();
    const Napi::Object object = environment::of(env).log_class.New({});
    log_wrapper * self = Unwrap(object);
    const auto least = (log_level) info[0].As<Napi::Number>().Int32Value();
    self->listener_ = listener::make(env, info[1].As<Napi::Function>(), least);
    self->hook_ = std::make_unique<end_hook>(env, [self] {
        remove_log_listener(self->listener_.get());
        self->listener_->shut();
    });
    add_log_listener(self->listener_);
    return object;
}

void log_wrapper::Finalize(Napi::BasicEnv) {
    if (listener_) remove_log_listener(listener_.get());
}

Napi::Value log_wrapper::stop(const Napi::CallbackInfo & info) {
    remove_log_listener(listener_.get());
    listener_->close();
    return info.Env().Undefined();
}

}  // namespace overfill
