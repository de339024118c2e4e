// What a chat is made of, and what becomes of it: a prompt, and how the answer to it is to be written and read. Plain
// data.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace overfill {

enum class tool_choice { automatic, none, required };

// Messages and tools are JSON texts in the form of OpenAI's chat completions.
struct chat_request {
    std::string messages;
    std::string tools;        // "": none
    std::string json_schema;  // "": none
    std::string grammar;      // GBNF, "": none; not together with tools
    tool_choice choice = tool_choice::automatic;
    bool parallel_tool_calls = false;
    bool thinking = true;           // enable_thinking, where the template knows it
    bool continues_answer = false;  // the last message is the assistant's and is written on
    // Variables for the template: a name and its value as JSON.
    std::vector<std::pair<std::string, std::string>> variables;
};

// A prompt and the form that its answer has. `pieces` together are the prompt's text.
struct chat_prompt {
    struct piece {
        std::string text;
        bool given;  // not the template's own words: control tokens' names in it are plain text
    };
    std::vector<piece> pieces;
    std::string grammar;
    bool grammar_lazy = false;
    // What wakes a lazy grammar (engine/options.h).
    struct trigger {
        std::string type;  // token, word, pattern, pattern-full
        std::string value;
        int32_t token;  // of type token, else -1
    };
    std::vector<trigger> triggers;
    std::vector<std::string> preserved_tokens;  // control tokens that the parser must see
    std::vector<std::string> stops;
    bool supports_thinking = false;
    std::string thinking_start;
    std::vector<std::string> thinking_ends;
    // For answer_parser.
    std::string generation_prompt;
    std::string parser;
    int32_t format = 0;
    bool continues_answer = false;
};

}  // namespace overfill
