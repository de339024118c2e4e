#include "convert.h"
#include "entry.h"
#include "environment.h"
#include "wrappers.h"

namespace overfill {

Napi::Function stream_wrapper::define(Napi::Env env) {
    return DefineClass(env, "NativeStream", { method<stream_wrapper, &stream_wrapper::read>("read") });
}

Napi::Value stream_wrapper::make(Napi::Env env, Napi::Object session, std::shared_ptr<mailbox> box,
                                 const std::function<std::shared_ptr<token_stream>(std::function<void()>)> & begin) {
    auto reader = std::make_shared<stream_wrapper::reader>();
    reader->box = std::move(box);
    auto stream = begin([reader] { reader->on_readable(); });
    reader->stream = stream;
    const Napi::Object object = environment::of(env).stream_class.New({});
    stream_wrapper * self = Unwrap(object);
    self->session_ = Napi::Persistent(session);
    self->reader_ = std::move(reader);
    self->stream_ = std::move(stream);
    return object;
}

// A reading that ended in a failure leaves as an exception.
static Napi::Value to_value(Napi::Env env, const token_stream::reading & reading) {
    if (reading.error) throw to_error(env, *reading.error);
    return from_reading(env, reading);
}

// On the JavaScript thread: takes what is there by then, which may be more than what rang.
static mailbox::make_value take_from(std::weak_ptr<token_stream> source) {
    return [source = std::move(source)](Napi::Env env) -> Napi::Value {
        const auto stream = source.lock();
        return stream ? to_value(env, stream->read()) : env.Undefined();
    };
}

void stream_wrapper::reader::on_readable() noexcept {
    const uint64_t id = waiting.exchange(rang);
    if (id == nobody || id == rang) return;
    try {
        box->resolve(id, take_from(stream));
    } catch (...) {
        box->reject(id, current_failure());
    }
}

Napi::Value stream_wrapper::read(const Napi::CallbackInfo & info) {
    const Napi::Env env = info.Env();
    reader_->waiting = reader::nobody;
    const token_stream::reading here = stream_->read();
    if (here.ready()) return to_value(env, here);

    const mailbox::call call = reader_->box->open(env);
    uint64_t nobody = reader::nobody;
    // The writer may have rung between the look and now; then nobody else will.
    if (!reader_->waiting.compare_exchange_strong(nobody, call.id)) reader_->box->resolve(call.id, take_from(stream_));
    return call.promise;
}

}  // namespace overfill
