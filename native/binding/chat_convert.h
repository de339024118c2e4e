// Chats between JavaScript and the engine. The shapes are those of lib/internal/binding-chat.ts.
#pragma once

#include "answer_parser.h"
#include "engine.h"

#include <napi.h>

#include <memory>
#include <vector>

namespace overfill {

chat_request to_chat_request(const Napi::Value & from);
Napi::Value from_rendered_chat(Napi::Env env, const rendered_chat & made);
std::shared_ptr<answer_parser> to_answer_parser(const Napi::Value & from);
Napi::Value from_answer_deltas(Napi::Env env, const std::vector<answer_delta> & deltas);

}  // namespace overfill
