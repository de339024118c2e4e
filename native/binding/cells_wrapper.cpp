// The methods of pairs and sessions by which one machine reads for another: the cells of what was read, out of a
// session and into one.
#include "convert.h"
#include "entry.h"
#include "fingerprint.h"
#include "wrappers.h"

#include <cstdlib>
#include <cstring>
#include <memory>
#include <utility>

namespace overfill {

Napi::Value pair_wrapper::cell_facts(const Napi::CallbackInfo & info) {
    const auto to_value = [](Napi::Env env, const overfill::cell_facts & made) -> Napi::Value {
        Napi::Object facts = Napi::Object::New(env), out = Napi::Object::New(env);
        for (const auto & [name, value] : made.facts) facts.Set(name, value);
        out.Set("facts", facts);
        out.Set("reader", made.reader);
        out.Set("bytesPerToken", (double) made.bytes_per_token);
        out.Set("vocabularySize", made.n_vocab);
        return out;
    };
    return later<overfill::cell_facts>(info.Env(), to_value, [&](auto end) {
        engine_->tell_cell_facts((pair_side) info[0].As<Napi::Number>().Uint32Value(), std::move(end));
    });
}

static Napi::Value from_cells(Napi::Env env, const given_cells & cells) {
    Napi::Object out = Napi::Object::New(env);
    Napi::Uint8Array rows = Napi::Uint8Array::New(env, cells.rows.size());
    std::memcpy(rows.Data(), cells.rows.data(), cells.rows.size());
    out.Set("rows", rows);
    out.Set("hash", digits_of(cells.hash));
    if (cells.logits.empty()) return out;
    Napi::Float32Array logits = Napi::Float32Array::New(env, cells.logits.size());
    std::memcpy(logits.Data(), cells.logits.data(), cells.logits.size() * sizeof(float));
    out.Set("logits", logits);
    return out;
}

static given_cells to_cells(const Napi::CallbackInfo & info) {
    given_cells out;
    out.n_tokens = info[0].As<Napi::Number>().Uint32Value();
    const auto rows = info[1].As<Napi::Uint8Array>();
    out.rows = shared_bytes(rows.ByteLength());
    std::memcpy(out.rows.data(), rows.Data(), rows.ByteLength());
    out.hash = std::strtoull(info[2].As<Napi::String>().Utf8Value().c_str(), nullptr, 16);
    if (info[3].IsUndefined()) return out;
    const auto logits = info[3].As<Napi::Float32Array>();
    out.logits.assign(logits.Data(), logits.Data() + logits.ElementLength());
    return out;
}

Napi::Value session_wrapper::give_cells(const Napi::CallbackInfo & info) {
    return promise_of(info.Env(), Napi::Function(), [&](auto box, auto id, auto failed) {
        const auto done = [box, id](const given_cells & cells) {
            box->resolve(id, [cells](Napi::Env env) { return from_cells(env, cells); });
        };
        handle_->give_cells(info[0].As<Napi::Number>().Uint32Value(), info[1].As<Napi::Number>().Uint32Value(),
                            info[2].As<Napi::Boolean>(), { done, failed });
    });
}

// { wanted, result, give }: what is to be read elsewhere, as soon as that is known, the end of the prefill, and the
// function that what was read is given to.
Napi::Value session_wrapper::prefill_elsewhere(const Napi::CallbackInfo & info) {
    const Napi::Env env = info.Env();
    prompt_input input = to_prompt(info[0]);
    prefill_options options = to_prefill_options(info[1].As<Napi::Object>());
    const mailbox::call wanted = box_->open(env);
    const auto source = std::make_shared<cell_source>(
        [box = box_, id = wanted.id](const std::vector<llama_token> & text, uint32_t from) {
            box->resolve(id, [text, from](Napi::Env env) {
                Napi::Object out = Napi::Object::New(env);
                out.Set("tokens", from_tokens(env, text));
                out.Set("from", from);
                return out;
            });
        });
    options.elsewhere = source;
    const bool listens = info[2].IsFunction();
    Napi::Object out = Napi::Object::New(env);
    out.Set("wanted", wanted.promise);
    out.Set(
        "result",
        promise_of(env, listens ? info[2].As<Napi::Function>() : Napi::Function(), [&](auto box, auto id, auto failed) {
            std::function<void(uint32_t, uint32_t)> on_progress;
            if (listens)
                on_progress = [box, id](uint32_t n_done, uint32_t n_total) {
                    box->progress(id, { (double) n_done, (double) n_total });
                };
            // Where nothing came to be wanted, that is settled too.
            const auto close = [box, wanted = wanted.id] {
                box->resolve(wanted, [](Napi::Env env) { return env.Undefined(); });
            };
            const auto done = [box, id, close](const prefill_result & result) {
                close();
                box->resolve(id, [result](Napi::Env env) { return from_prefill_result(env, result); });
            };
            const auto fail = [close, failed](const failure & error) {
                close();
                failed(error);
            };
            try {
                handle_->prefill(std::move(input), options, std::move(on_progress), { done, fail });
            } catch (...) {
                close();
                throw;
            }
        }));
    out.Set("give", Napi::Function::New(env, [handle = handle_, source](const Napi::CallbackInfo & info) {
                const napi_value nothing = enter(info.Env(), [&]() -> napi_value {
                    const own_work scope;
                    handle->put_cells(*source, to_cells(info));
                    return info.Env().Undefined();
                });
                return Napi::Value(info.Env(), nothing);
            }));
    return out;
}

}  // namespace overfill
