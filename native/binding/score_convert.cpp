#include "score_convert.h"

#include "convert.h"

#include <algorithm>

namespace overfill {

std::vector<score_row> to_score_rows(const Napi::Value & from) {
    const auto values = from.As<Napi::Int32Array>();
    std::vector<score_row> rows;
    for (size_t i = 0; i + 1 < values.ElementLength(); i += 2)
        rows.push_back({ (score_reader) values[i], (uint32_t) values[i + 1] });
    return rows;
}

static Napi::Value from_doubles(Napi::Env env, const std::vector<double> & values) {
    Napi::Float64Array out = Napi::Float64Array::New(env, values.size());
    std::copy(values.begin(), values.end(), out.Data());
    return out;
}

Napi::Value from_score_result(Napi::Env env, const score_result & result) {
    Napi::Array responses = Napi::Array::New(env, result.responses.size());
    for (size_t i = 0; i < result.responses.size(); i++) {
        Napi::Array rows = Napi::Array::New(env, result.scores[i].size());
        for (size_t r = 0; r < result.scores[i].size(); r++) {
            const row_scores & scores = result.scores[i][r];
            Napi::Uint8Array agree = Napi::Uint8Array::New(env, scores.agrees.size());
            std::copy(scores.agrees.begin(), scores.agrees.end(), agree.Data());
            Napi::Object row = Napi::Object::New(env);
            row.Set("logProbs", from_doubles(env, scores.log_probs));
            row.Set("agree", agree);
            row.Set("divergence", from_doubles(env, scores.divergences));
            rows.Set((uint32_t) r, row);
        }
        Napi::Object response = Napi::Object::New(env);
        response.Set("tokens", from_tokens(env, result.responses[i]));
        response.Set("rows", rows);
        responses.Set((uint32_t) i, response);
    }
    Napi::Object out = Napi::Object::New(env);
    out.Set("promptTokens", (double) result.prompt.size());
    out.Set("responses", responses);
    return out;
}

}  // namespace overfill
