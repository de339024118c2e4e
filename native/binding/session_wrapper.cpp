#include "convert.h"
#include "entry.h"
#include "environment.h"
#include "score_convert.h"
#include "wrappers.h"

namespace overfill {

Napi::Function session_wrapper::define(Napi::Env env) {
    return DefineClass(env, "NativeSession",
                       {
                           method<session_wrapper, &session_wrapper::prefill>("prefill"),
                           method<session_wrapper, &session_wrapper::prefill_elsewhere>("prefillElsewhere"),
                           method<session_wrapper, &session_wrapper::give_cells>("giveCells"),
                           method<session_wrapper, &session_wrapper::hand_over>("handOver"),
                           method<session_wrapper, &session_wrapper::decode>("decode"),
                           method<session_wrapper, &session_wrapper::retract>("retract"),
                           method<session_wrapper, &session_wrapper::truncate>("truncate"),
                           method<session_wrapper, &session_wrapper::fork>("fork"),
                           method<session_wrapper, &session_wrapper::save>("save"),
                           method<session_wrapper, &session_wrapper::restore>("restore"),
                           method<session_wrapper, &session_wrapper::score>("score"),
                           method<session_wrapper, &session_wrapper::abort>("abort"),
                           method<session_wrapper, &session_wrapper::stats>("stats"),
                           method<session_wrapper, &session_wrapper::dispose>("dispose"),
                       });
}

session_wrapper::session_wrapper(const Napi::CallbackInfo & info) : Napi::ObjectWrap<session_wrapper>(info) {}

Napi::Value session_wrapper::make(Napi::Env env, Napi::Object pair, std::shared_ptr<mailbox> box,
                                  std::shared_ptr<session_handle> handle) {
    const Napi::Object object = environment::of(env).session_class.New({});
    session_wrapper * self = Unwrap(object);
    self->pair_ = Napi::Persistent(pair);
    self->box_ = std::move(box);
    self->handle_ = std::move(handle);
    return object;
}

prompt_input to_prompt(const Napi::Value & from) {
    if (from.IsString()) return from.As<Napi::String>().Utf8Value();
    return to_tokens(from);
}

Napi::Value session_wrapper::prefill(const Napi::CallbackInfo & info) {
    prompt_input input = to_prompt(info[0]);
    const prefill_options options = to_prefill_options(info[1].As<Napi::Object>());
    const bool listens = info[2].IsFunction();
    return promise_of(info.Env(), listens ? info[2].As<Napi::Function>() : Napi::Function(),
                      [&](auto box, auto id, auto failed) {
                          std::function<void(uint32_t, uint32_t)> on_progress;
                          if (listens)
                              on_progress = [box, id](uint32_t n_done, uint32_t n_total) {
                                  box->progress(id, { (double) n_done, (double) n_total });
                              };
                          const auto done = [box, id](const prefill_result & result) {
                              box->resolve(id, [result](Napi::Env env) { return from_prefill_result(env, result); });
                          };
                          handle_->prefill(std::move(input), options, std::move(on_progress), { done, failed });
                      });
}

Napi::Value session_wrapper::hand_over(const Napi::CallbackInfo & info) {
    return promise_of(info.Env(), Napi::Function(), [&](auto box, auto id, auto failed) {
        const auto done = [box, id](const handover_report & report) {
            box->resolve(id, [report](Napi::Env env) { return from_handover_report(env, report); });
        };
        std::optional<pair_side> writer;
        if (info[0].IsNumber()) writer = (pair_side) info[0].As<Napi::Number>().Uint32Value();
        handle_->hand_over({ done, failed }, writer);
    });
}

Napi::Value session_wrapper::retract(const Napi::CallbackInfo & info) {
    return promise_of(info.Env(), Napi::Function(), [&](auto box, auto id, auto failed) {
        const auto done = [box, id](bool) { box->resolve(id, [](Napi::Env env) { return env.Undefined(); }); };
        handle_->retract(info[0].As<Napi::Number>().Uint32Value(), { done, failed });
    });
}

Napi::Value session_wrapper::truncate(const Napi::CallbackInfo & info) {
    return promise_of(info.Env(), Napi::Function(), [&](auto box, auto id, auto failed) {
        const auto done = [box, id](bool) { box->resolve(id, [](Napi::Env env) { return env.Undefined(); }); };
        handle_->truncate(info[0].As<Napi::Number>().Uint32Value(), { done, failed });
    });
}

Napi::Value session_wrapper::fork(const Napi::CallbackInfo & info) {
    session_wrapper * to = Unwrap(info[0].As<Napi::Object>());
    return promise_of(info.Env(), Napi::Function(), [&](auto box, auto id, auto failed) {
        const auto done = [box, id](bool) { box->resolve(id, [](Napi::Env env) { return env.Undefined(); }); };
        handle_->fork(*to->handle_, { done, failed });
    });
}

Napi::Value session_wrapper::save(const Napi::CallbackInfo & info) {
    save_options options{ info[0].As<Napi::String>(), info[1].As<Napi::String>(), info[2].As<Napi::Boolean>() };
    return promise_of(info.Env(), Napi::Function(), [&](auto box, auto id, auto failed) {
        const auto done = [box, id](bool) { box->resolve(id, [](Napi::Env env) { return env.Undefined(); }); };
        handle_->save(std::move(options), { done, failed });
    });
}

Napi::Value session_wrapper::restore(const Napi::CallbackInfo & info) {
    std::string path = info[0].As<Napi::String>();
    return promise_of(info.Env(), Napi::Function(), [&](auto box, auto id, auto failed) {
        const auto done = [box, id](const restored_session & restored) {
            box->resolve(id, [restored](Napi::Env env) {
                Napi::Object out = Napi::Object::New(env);
                out.Set("writer", restored.writer);
                out.Set("note", restored.note);
                return out;
            });
        };
        handle_->restore(std::move(path), { done, failed });
    });
}

Napi::Value session_wrapper::score(const Napi::CallbackInfo & info) {
    score_input input;
    input.prompt = to_prompt(info[0]);
    const auto responses = info[1].As<Napi::Array>();
    for (uint32_t i = 0; i < responses.Length(); i++) input.responses.push_back(to_prompt(responses.Get(i)));
    input.rows = to_score_rows(info[2]);
    input.parse_special = info[3].As<Napi::Boolean>().Value();
    input.writer = (pair_side) info[4].As<Napi::Number>().Uint32Value();
    return promise_of(info.Env(), Napi::Function(), [&](auto box, auto id, auto failed) {
        const auto done = [box, id](const score_result & result) {
            box->resolve(id, [result](Napi::Env env) { return from_score_result(env, result); });
        };
        handle_->score(std::move(input), { done, failed });
    });
}

Napi::Value session_wrapper::decode(const Napi::CallbackInfo & info) {
    decode_options options = to_decode_options(info[0].As<Napi::Object>());
    return stream_wrapper::make(
        info.Env(), info.This().As<Napi::Object>(), box_,
        [&](std::function<void()> on_readable) { return handle_->decode(std::move(options), std::move(on_readable)); });
}

Napi::Value session_wrapper::abort(const Napi::CallbackInfo & info) {
    handle_->abort();
    return info.Env().Undefined();
}

Napi::Value session_wrapper::stats(const Napi::CallbackInfo & info) { return from_stats(info.Env(), handle_->stats()); }

Napi::Value session_wrapper::dispose(const Napi::CallbackInfo & info) {
    if (!disposed_.IsEmpty()) return disposed_.Value();
    const mailbox::call call = box_->open(info.Env());
    const auto box = box_;
    const uint64_t id = call.id;
    disposed_ = Napi::Persistent(call.promise.As<Napi::Object>());
    handle_->dispose([box, id] { box->resolve(id, [](Napi::Env env) { return env.Undefined(); }); });
    return call.promise;
}

}  // namespace overfill
