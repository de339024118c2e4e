#include "job_wrapper.h"

#include "entry.h"

namespace overfill {

Napi::Function job_wrapper::define(Napi::Env env) {
    return DefineClass(env, "NativeJob", { method<job_wrapper, &job_wrapper::abort>("abort") });
}

job_wrapper::job_wrapper(const Napi::CallbackInfo & info) : Napi::ObjectWrap<job_wrapper>(info) {}

Napi::Value job_wrapper::make(Napi::Env env, Napi::Function on_progress, const starter & start) {
    const Napi::Object object = environment::of(env).job_class.New({});
    job_wrapper * self = Unwrap(object);
    self->box_ = mailbox::make(env);
    const mailbox::call call = self->box_->open(env, on_progress);
    object.Set("finished", call.promise);
    self->hook_ = std::make_unique<end_hook>(env, [self] {
        if (self->job_) self->job_->join();
        self->box_->shut();
    });
    self->job_ = start(self->box_, call.id);
    return object;
}

void job_wrapper::Finalize(Napi::BasicEnv) {
    if (job_) job_->join();
}

Napi::Value job_wrapper::abort(const Napi::CallbackInfo & info) {
    job_->abort();
    return info.Env().Undefined();
}

}  // namespace overfill
