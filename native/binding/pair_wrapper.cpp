#include "chat_convert.h"
#include "convert.h"
#include "entry.h"
#include "environment.h"
#include "wrappers.h"

namespace overfill {

Napi::Function pair_wrapper::define(Napi::Env env) {
    return DefineClass(env, "NativePair",
                       {
                           method<pair_wrapper, &pair_wrapper::abort_load>("abortLoad"),
                           method<pair_wrapper, &pair_wrapper::tokenize>("tokenize"),
                           method<pair_wrapper, &pair_wrapper::detokenize>("detokenize"),
                           method<pair_wrapper, &pair_wrapper::encode>("encode"),
                           method<pair_wrapper, &pair_wrapper::tokenize_later>("tokenizeLater"),
                           method<pair_wrapper, &pair_wrapper::detokenize_later>("detokenizeLater"),
                           method<pair_wrapper, &pair_wrapper::encode_later>("encodeLater"),
                           method<pair_wrapper, &pair_wrapper::render_chat>("renderChat"),
                           method<pair_wrapper, &pair_wrapper::parse_answer>("parseAnswer"),
                           method<pair_wrapper, &pair_wrapper::cell_facts>("cellFacts"),
                           method<pair_wrapper, &pair_wrapper::metrics>("metrics"),
                           method<pair_wrapper, &pair_wrapper::create_session>("createSession"),
                           method<pair_wrapper, &pair_wrapper::leave_queue>("leaveQueue"),
                           method<pair_wrapper, &pair_wrapper::dispose>("dispose"),
                       });
}

pair_wrapper::pair_wrapper(const Napi::CallbackInfo & info) : Napi::ObjectWrap<pair_wrapper>(info) {}

Napi::Value pair_wrapper::load(const Napi::CallbackInfo & info) {
    const Napi::Object object = environment::of(info.Env()).pair_class.New({});
    Unwrap(object)->begin(info, object);
    return object;
}

void pair_wrapper::begin(const Napi::CallbackInfo & info, Napi::Object self) {
    const Napi::Env env = info.Env();
    pair_options options = to_pair_options(info[0].As<Napi::Object>(), true);
    options.cuda_library = environment::of(env).cuda_library;
    box_ = mailbox::make(env);
    const mailbox::call call = box_->open(env, info[1].As<Napi::Function>());
    self.Set("loaded", call.promise);
    hook_ = std::make_unique<end_hook>(env, [this] {
        if (engine_) engine_->join();
        box_->shut();
    });
    const auto box = box_;
    const uint64_t id = call.id;
    engine_ = engine::load(options, [box, id](float fraction) { box->progress(id, { fraction }); },
                           { [box, id](const pair_info & result) {
                                box->resolve(id, [result](Napi::Env env) { return from_pair_info(env, result); });
                            },
                             [box, id](const failure & error) { box->reject(id, error); } });
}

void pair_wrapper::Finalize(Napi::BasicEnv) {
    if (engine_) engine_->join();
}

Napi::Value pair_wrapper::abort_load(const Napi::CallbackInfo & info) {
    engine_->abort_load();
    return info.Env().Undefined();
}

static Napi::Value from_example(Napi::Env env, const example & made) {
    Napi::Object out = Napi::Object::New(env);
    out.Set("prompt", from_tokens(env, made.prompt));
    out.Set("response", from_tokens(env, made.response));
    return out;
}

Napi::Value pair_wrapper::tokenize(const Napi::CallbackInfo & info) {
    return from_tokens(info.Env(),
                       engine_->tokenize(info[0].As<Napi::String>().Utf8Value(), info[1].As<Napi::Boolean>().Value(),
                                         info[2].As<Napi::Boolean>().Value()));
}

Napi::Value pair_wrapper::detokenize(const Napi::CallbackInfo & info) {
    return Napi::String::New(info.Env(), engine_->detokenize(to_tokens(info[0]), info[1].As<Napi::Boolean>().Value()));
}

Napi::Value pair_wrapper::encode(const Napi::CallbackInfo & info) {
    return from_example(info.Env(),
                        engine_->encode(info[0].As<Napi::String>().Utf8Value(), info[1].As<Napi::Boolean>().Value()));
}

Napi::Value pair_wrapper::tokenize_later(const Napi::CallbackInfo & info) {
    return later<std::vector<llama_token>>(info.Env(), from_tokens, [&](auto end) {
        engine_->tokenize(info[0].As<Napi::String>().Utf8Value(), info[1].As<Napi::Boolean>().Value(),
                          info[2].As<Napi::Boolean>().Value(), std::move(end));
    });
}

Napi::Value pair_wrapper::detokenize_later(const Napi::CallbackInfo & info) {
    const auto to_value = [](Napi::Env env, const std::string & text) { return Napi::String::New(env, text); };
    return later<std::string>(info.Env(), to_value, [&](auto end) {
        engine_->detokenize(to_tokens(info[0]), info[1].As<Napi::Boolean>().Value(), std::move(end));
    });
}

Napi::Value pair_wrapper::encode_later(const Napi::CallbackInfo & info) {
    return later<example>(info.Env(), from_example, [&](auto end) {
        engine_->encode(info[0].As<Napi::String>().Utf8Value(), info[1].As<Napi::Boolean>().Value(), std::move(end));
    });
}

Napi::Value pair_wrapper::render_chat(const Napi::CallbackInfo & info) {
    return later<rendered_chat>(info.Env(), from_rendered_chat, [&](auto end) {
        engine_->render_chat(info[0].As<Napi::String>().Utf8Value(), to_chat_request(info[1]), std::move(end));
    });
}

Napi::Value pair_wrapper::parse_answer(const Napi::CallbackInfo & info) {
    return later<std::vector<answer_delta>>(info.Env(), from_answer_deltas, [&](auto end) {
        engine_->parse_answer(to_answer_parser(info[0]), info[1].As<Napi::String>().Utf8Value(),
                              info[2].As<Napi::Boolean>().Value(), std::move(end));
    });
}

static Napi::Object from_histogram(Napi::Env env, const histogram_counts & from) {
    Napi::Array bounds = Napi::Array::New(env, from.bounds.size());
    for (uint32_t i = 0; i < bounds.Length(); i++) bounds.Set(i, from.bounds[i]);
    Napi::Array counts = Napi::Array::New(env, from.counts.size());
    for (uint32_t i = 0; i < counts.Length(); i++) counts.Set(i, (double) from.counts[i]);
    Napi::Object out = Napi::Object::New(env);
    out.Set("bounds", bounds);
    out.Set("counts", counts);
    out.Set("sum", from.sum);
    out.Set("count", (double) from.count);
    return out;
}

Napi::Value pair_wrapper::metrics(const Napi::CallbackInfo & info) {
    const pair_metrics metrics = engine_->metrics();
    Napi::Object out = Napi::Object::New(info.Env());
    out.Set("sessions", metrics.n_sessions);
    out.Set("waiting", metrics.n_waiting);
    Napi::Object aside = Napi::Object::New(info.Env());
    aside.Set("sessions", metrics.n_aside);
    aside.Set("times", (double) metrics.n_put_aside);
    out.Set("putAside", aside);
    Napi::Object prefixes = Napi::Object::New(info.Env());
    prefixes.Set("bytes", (double) metrics.prefixes.n_bytes);
    prefixes.Set("blocks", (double) metrics.prefixes.n_blocks);
    prefixes.Set("cachedTokens", (double) metrics.prefixes.n_cached_tokens);
    const prefix_files_counts & files = metrics.prefix_files;
    Napi::Object directory = Napi::Object::New(info.Env());
    directory.Set("bytes", (double) files.n_bytes);
    directory.Set("blocks", (double) files.n_blocks);
    directory.Set("read", (double) files.n_read);
    directory.Set("written", (double) files.n_written);
    directory.Set("failures", (double) files.n_failures);
    prefixes.Set("directory", directory);
    out.Set("prefixCache", prefixes);
    out.Set("prefillTokens", (double) metrics.n_prefill_tokens);
    out.Set("prefillBatches", (double) metrics.n_prefill_batches);
    out.Set("decodeTokens", (double) metrics.n_decode_tokens);
    out.Set("decodeBatches", (double) metrics.n_decode_batches);
    out.Set("turnsBesidePrefill", (double) metrics.n_turns_beside);
    Napi::Object tasks = Napi::Object::New(info.Env());
    tasks.Set("running", (double) metrics.tasks.n_running);
    tasks.Set("ready", (double) metrics.tasks.n_ready);
    tasks.Set("waitingForReader", (double) metrics.tasks.n_parked);
    out.Set("tasks", tasks);
    out.Set("timeToFirstTokenMs", from_histogram(info.Env(), metrics.first_token_ms));
    out.Set("timeBetweenTokensMs", from_histogram(info.Env(), metrics.between_tokens_ms));
    out.Set("decodeBatchSizes", from_histogram(info.Env(), metrics.decode_batch_sizes));
    return out;
}

Napi::Value pair_wrapper::create_session(const Napi::CallbackInfo & info) {
    const Napi::Env env = info.Env();
    // The promise holds the pair, and so this.
    const mailbox::call call = box_->open(env, Napi::Function(), info.This().As<Napi::Object>());
    const auto box = box_;
    const uint64_t id = call.id;
    const auto done = [this, box, id](const std::shared_ptr<session_handle> & session) {
        box->resolve(id, [this, session](Napi::Env env) -> Napi::Value {
            return session_wrapper::make(env, Value(), box_, session);
        });
    };
    session_places::ticket ticket = 0;
    try {
        ticket = engine_->create_session(info[0].As<Napi::Number>().Int32Value(),
                                         { done, [box, id](const failure & error) { box->reject(id, error); } },
                                         (pair_side) info[2].As<Napi::Number>().Uint32Value(),
                                         info[3].As<Napi::String>().Utf8Value());
    } catch (...) {
        box_->drop(env, id);
        throw;
    }
    // Whoever is about to give a place back keeps the process alive; where nobody is, the call would never end.
    if (ticket != 0 && !info[1].As<Napi::Boolean>().Value()) box_->let_end(env, id);
    Napi::Object out = Napi::Object::New(env);
    out.Set("session", call.promise);
    out.Set("ticket", (double) ticket);
    return out;
}

Napi::Value pair_wrapper::leave_queue(const Napi::CallbackInfo & info) {
    engine_->leave_queue((session_places::ticket) info[0].As<Napi::Number>().Int64Value());
    return info.Env().Undefined();
}

Napi::Value pair_wrapper::dispose(const Napi::CallbackInfo & info) {
    if (!disposed_.IsEmpty()) return disposed_.Value();
    const mailbox::call call = box_->open(info.Env());
    const auto box = box_;
    const uint64_t id = call.id;
    disposed_ = Napi::Persistent(call.promise.As<Napi::Object>());
    engine_->dispose([box, id] { box->resolve(id, [](Napi::Env env) { return env.Undefined(); }); });
    return call.promise;
}

}  // namespace overfill
