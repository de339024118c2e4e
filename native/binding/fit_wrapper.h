// The JavaScript side of translators: the class of a running fit, and the reading of a translator file.
#pragma once

#include "background_job.h"
#include "fit.h"
#include "mailbox.h"

#include <napi.h>

#include <memory>

namespace overfill {

class fit_wrapper : public Napi::ObjectWrap<fit_wrapper> {
  public:
    static Napi::Function define(Napi::Env env);
    // (options, onProgress): the fit begins at once; its promise is the property `finished`.
    static Napi::Value begin(const Napi::CallbackInfo & info);

    explicit fit_wrapper(const Napi::CallbackInfo & info);
    void Finalize(Napi::BasicEnv env) override;

  private:
    void start(const Napi::CallbackInfo & info);
    Napi::Value abort(const Napi::CallbackInfo & info);

    // At the end of the environment: a worker that is terminated takes its fits with it.
    static void on_environment_end(fit_wrapper * self);
    struct end_hook;

    std::shared_ptr<mailbox> box_;
    std::unique_ptr<background_job<fit_result>> job_;
    std::unique_ptr<end_hook> hook_;
};

// (path): a promise of what the translator file holds, or of undefined if the file is no translator.
Napi::Value inspect_translator(const Napi::CallbackInfo & info);

}  // namespace overfill
