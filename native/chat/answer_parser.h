// An answer's text as what it says: reasoning, text, tool calls. llama.cpp's parser of the template's format
// (common_chat_parse) reads the whole text each time; here is what is new since the last time.
#pragma once

#include "chat_prompt.h"

#include <memory>
#include <string>
#include <vector>

namespace overfill {

struct answer_delta {
    std::string reasoning;
    std::string text;
    // -1: of no tool call. The name comes with a call's first delta, and most formats' id; arguments are a piece of a
    // JSON text.
    int32_t tool_index = -1;
    std::string tool_name, tool_id, tool_arguments;
};

struct parsed_answer {
    struct tool_call {
        std::string id, name, arguments;
    };
    std::string reasoning, text;
    std::vector<tool_call> tool_calls;
};

class answer_parser {
  public:
    explicit answer_parser(const chat_prompt & prompt);
    ~answer_parser();

    // More of the answer. `is_last`: nothing follows, so that the text must be whole in its format. A text that does
    // not keep to the format is read as far as it does; the rest is text, if no call was made before.
    std::vector<answer_delta> push(const std::string & more, bool is_last);

    // As of the last push; of an answer that is gone on with, the whole.
    parsed_answer answer() const;

  private:
    struct state;
    std::unique_ptr<state> state_;
};

}  // namespace overfill
