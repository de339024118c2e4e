#include "chat_convert.h"

#include "convert.h"
#include "fields.h"

namespace overfill {

chat_request to_chat_request(const Napi::Value & from) {
    const fields in(from);
    chat_request request;
    request.messages = in.text("messages");
    request.tools = in.text("tools");
    request.json_schema = in.text("schema");
    const std::string choice = in.text("toolChoice");
    request.choice = choice == "none"       ? tool_choice::none
                     : choice == "required" ? tool_choice::required
                                            : tool_choice::automatic;
    request.parallel_tool_calls = in.flag("parallelToolCalls");
    request.thinking = in.flag("thinking");
    request.continues_answer = in.flag("continuesAnswer");
    const std::vector<std::string> names = in.texts("variableNames"), values = in.texts("variableValues");
    for (size_t i = 0; i < names.size(); i++) request.variables.push_back({ names[i], values[i] });
    return request;
}

static Napi::Array from_texts(Napi::Env env, const std::vector<std::string> & texts) {
    Napi::Array out = Napi::Array::New(env, texts.size());
    for (uint32_t i = 0; i < out.Length(); i++) out.Set(i, texts[i]);
    return out;
}

Napi::Value from_rendered_chat(Napi::Env env, const rendered_chat & made) {
    const chat_prompt & prompt = made.prompt;
    std::string text;
    for (const chat_prompt::piece & piece : prompt.pieces) text += piece.text;
    Napi::Array triggers = Napi::Array::New(env, prompt.triggers.size());
    for (uint32_t i = 0; i < triggers.Length(); i++) {
        const chat_prompt::trigger & trigger = prompt.triggers[i];
        Napi::Object one = Napi::Object::New(env);
        one.Set("type", trigger.type);
        one.Set("value", trigger.value);
        one.Set("token", trigger.token);
        triggers.Set(i, one);
    }
    Napi::Object out = Napi::Object::New(env);
    out.Set("text", text);
    out.Set("tokens", from_tokens(env, made.tokens));
    out.Set("grammar", prompt.grammar);
    out.Set("grammarLazy", prompt.grammar_lazy);
    out.Set("grammarTriggers", triggers);
    out.Set("preservedTokens", from_texts(env, prompt.preserved_tokens));
    out.Set("stops", from_texts(env, prompt.stops));
    out.Set("supportsThinking", prompt.supports_thinking);
    out.Set("thinkingStart", prompt.thinking_start);
    out.Set("thinkingEnds", from_texts(env, prompt.thinking_ends));
    out.Set("generationPrompt", prompt.generation_prompt);
    out.Set("parser", Napi::External<std::shared_ptr<answer_parser>>::New(
                          env, new std::shared_ptr<answer_parser>(std::make_shared<answer_parser>(prompt)),
                          [](Napi::BasicEnv, std::shared_ptr<answer_parser> * parser) { delete parser; }));
    return out;
}

std::shared_ptr<answer_parser> to_answer_parser(const Napi::Value & from) {
    return *from.As<Napi::External<std::shared_ptr<answer_parser>>>().Data();
}

Napi::Value from_answer_deltas(Napi::Env env, const std::vector<answer_delta> & deltas) {
    Napi::Array out = Napi::Array::New(env, deltas.size());
    for (uint32_t i = 0; i < out.Length(); i++) {
        const answer_delta & delta = deltas[i];
        Napi::Object one = Napi::Object::New(env);
        one.Set("reasoning", delta.reasoning);
        one.Set("text", delta.text);
        one.Set("toolIndex", delta.tool_index);
        one.Set("toolName", delta.tool_name);
        one.Set("toolCallId", delta.tool_id);
        one.Set("toolInput", delta.tool_arguments);
        out.Set(i, one);
    }
    return out;
}

}  // namespace overfill
