#include "data_record.h"

#include "failure.h"

#include <nlohmann/json.hpp>

namespace overfill {

using json = nlohmann::json;

[[noreturn]] static void refuse(const std::string & why) { throw failure(error_code::data_invalid, why); }

static std::string string_at(const json & object, const std::string & key) {
    const json & value = object.at(key);
    if (!value.is_string()) refuse("\"" + key + "\" is not a string");
    return value.get<std::string>();
}

static bool has_some(const json & object, const char * key) {
    return object.contains(key) && !object.at(key).is_null() && !object.at(key).empty();
}

// What a template that gets role and content alone would leave out.
static void refuse_tools(const json & message) {
    for (const char * key : { "tool_calls", "function_call", "tool_call_id" })
        if (has_some(message, key))
            refuse("a message has \"" + std::string(key) + "\"; chats with tools cannot be read");
    const json & role = message.at("role");
    if (role == "tool" || role == "function") refuse("a message is a tool's answer; chats with tools cannot be read");
}

static std::string content_of(const json & message) {
    if (!message.contains("content")) refuse("a message has no \"content\"");
    const json & content = message.at("content");
    if (content.is_null()) refuse("the \"content\" of a message is null");
    if (content.is_string()) return content.get<std::string>();
    if (!content.is_array()) refuse("the \"content\" of a message is neither a string nor a list");
    std::string text;
    for (size_t i = 0; i < content.size(); i++) {
        const json & part = content.at(i);
        if (!part.is_object() || !part.contains("type") || !part.at("type").is_string() ||
            part.at("type").get<std::string>() != "text" || !part.contains("text"))
            refuse("a part of a message's \"content\" is not text");
        text += string_at(part, "text");
    }
    return text;
}

static std::vector<chat_message> messages_of(const json & list) {
    if (!list.is_array()) refuse("\"messages\" is not a list");
    if (list.size() == 0) refuse("\"messages\" is empty");
    std::vector<chat_message> messages;
    for (size_t i = 0; i < list.size(); i++) {
        const json & message = list.at(i);
        if (!message.is_object()) refuse("a message is not an object");
        if (!message.contains("role")) refuse("a message has no \"role\"");
        refuse_tools(message);
        messages.push_back({ string_at(message, "role"), content_of(message) });
    }
    return messages;
}

data_record parse_data_record(const std::string & line) {
    const json object = json::parse(line, nullptr, /*allow_exceptions*/ false);
    if (object.is_discarded()) refuse("it is not valid JSON in UTF-8");
    if (!object.is_object()) refuse("it is not a JSON object");

    const bool chat = object.contains("messages"), text = object.contains("text");
    const char * answer = object.contains("response") ? "response" : "completion";
    const bool pair = object.contains("prompt") || object.contains(answer);
    if (chat + text + pair == 0) refuse("it has none of \"messages\", \"prompt\" with \"response\", and \"text\"");
    if (chat + text + pair > 1)
        refuse("it may have only one of \"messages\", \"prompt\" with \"response\", and \"text\"");

    data_record record;
    if (chat) {
        for (const char * key : { "tools", "functions" })
            if (has_some(object, key))
                refuse("the chat has \"" + std::string(key) + "\"; chats with tools cannot be read");
        record.messages = messages_of(object.at("messages"));
    }
    if (text) record.text = string_at(object, "text");
    if (pair) {
        for (const char * key : { "prompt", answer })
            if (!object.contains(key)) refuse("\"" + std::string(key) + "\" is missing");
        record.prompt = string_at(object, "prompt");
        record.response = string_at(object, answer);
    }
    return record;
}

}  // namespace overfill
