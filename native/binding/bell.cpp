#include "bell.h"

#include "entry.h"

#include <memory>
#include <new>
#include <utility>

namespace overfill {

bell::bell(Napi::Env env, Napi::Function function, handler on_ring) {
    auto context = std::make_unique<handler>(std::move(on_ring));
    const auto free_context = [](napi_env, void * data, void *) { delete static_cast<handler *>(data); };
    const Napi::String name = Napi::String::New(env, "overfill");
    const napi_status status =
        napi_create_threadsafe_function(env, function, nullptr, name, /*max_queue_size*/ 0, /*initial_thread_count*/ 1,
                                        context.get(), free_context, context.get(), on_call, &function_);
    if (status != napi_ok) throw Napi::Error::New(env);
    (void) context.release();
    unref(env);
}

bell::~bell() {
    if (function_) napi_release_threadsafe_function(function_, napi_tsfn_release);
}

bool bell::ring() const noexcept {
    try {
        return napi_call_threadsafe_function(function_, nullptr, napi_tsfn_nonblocking) == napi_ok;
    } catch (const std::bad_alloc &) {
        return false;
    }
}

void bell::ref(Napi::Env env) {
    if (function_) napi_ref_threadsafe_function(env, function_);
}

void bell::unref(Napi::Env env) {
    if (function_) napi_unref_threadsafe_function(env, function_);
}

void bell::on_call(napi_env env, napi_value function, void * context, void *) {
    // No environment: it is ending, and the queue is only emptied.
    if (!env) return;
    enter(env, [&]() -> napi_value {
        const Napi::HandleScope scope(env);
        (*static_cast<handler *>(context))(env, Napi::Function(env, function));
        return nullptr;
    });
}

}  // namespace overfill
