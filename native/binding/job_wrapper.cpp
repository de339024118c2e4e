#include "job_wrapper.h"

namespace overfill {

struct job_wrapper::end_hook {
    Napi::Env::CleanupHook<void (*)(job_wrapper *), job_wrapper> hook;
};

Napi::Function job_wrapper::define(Napi::Env env) {
    return DefineClass(env, "NativeJob", { InstanceMethod<&job_wrapper::abort>("abort") });
}

job_wrapper::job_wrapper(const Napi::CallbackInfo & info) : Napi::ObjectWrap<job_wrapper>(info) {}

Napi::Value job_wrapper::make(Napi::Env env, Napi::Function on_progress, const starter & start) {
    const Napi::Object object = environment::of(env).job_class.New({});
    job_wrapper * self = Unwrap(object);
    self->box_ = std::make_shared<mailbox>(env);
    const mailbox::call call = self->box_->open(env, on_progress);
    self->job_ = start(self->box_, call.id);
    // Registered after the mailbox's thread-safe function, hence called before that one goes.
    self->hook_ = std::unique_ptr<end_hook>(new end_hook{ env.AddCleanupHook(&job_wrapper::on_environment_end, self) });
    object.Set("finished", call.promise);
    return object;
}

void job_wrapper::on_environment_end(job_wrapper * self) {
    self->job_->join();
    self->box_->shut();
    self->hook_.reset();
}

void job_wrapper::Finalize(Napi::BasicEnv env) {
    if (job_) job_->join();
    if (hook_) hook_->hook.Remove(env);
}

Napi::Value job_wrapper::abort(const Napi::CallbackInfo & info) {
    job_->abort();
    return info.Env().Undefined();
}

}  // namespace overfill
