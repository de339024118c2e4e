#include "kernels_convert.h"

namespace overfill {

Napi::Value from_kernels(Napi::Env env, const kernel_use & use) {
    Napi::Object out = Napi::Object::New(env);
    if (use.leaf.empty())
        out.Set("instructions", false);
    else
        out.Set("instructions", use.leaf);
    out.Set("reason", use.reason);
    Napi::Object speed_ups = Napi::Object::New(env);
    for (const product_trial & trial : use.trials) {
        Napi::Object one = Napi::Object::New(env);
        one.Set("one", trial.one);
        one.Set("few", trial.few);
        one.Set("many", trial.many);
        speed_ups.Set(ggml_type_name(trial.type), one);
    }
    out.Set("speedUps", speed_ups);
    return out;
}

}  // namespace overfill
