// One line of a JSONL file of training or evaluation data: a chat, a prompt with its response, or plain text.
#pragma once

#include "chat_message.h"

#include <optional>
#include <string>
#include <vector>

namespace overfill {

struct data_record {
    // Exactly one of the three is set: messages, or prompt and response, or text.
    std::vector<chat_message> messages;
    std::optional<std::string> prompt, response;
    std::optional<std::string> text;
};

// Reads the keys "messages" ({ role, content }, content a string or a list of { type: "text", text }), "prompt" and
// "response" ("completion" is the same), or "text"; others are left alone. Throws ERR_DATA_INVALID with what
// is wrong: no JSON, no object, none of the keys, more than one kind, a value of another type, bytes that are no UTF-8;
// also for a chat with tools ("tools", "tool_calls", messages of a tool): templates do not get them, so that the chat
// would be read without them.
data_record parse_data_record(const std::string & line);

}  // namespace overfill
