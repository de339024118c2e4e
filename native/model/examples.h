// Data of training and evaluation as tokens: what is read, and what is to be written after it.
#pragma once

#include "chat_template.h"
#include "data_record.h"

#include <llama.h>

#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <vector>

namespace overfill {

struct example {
    std::vector<llama_token> prompt;    // with the BOS token where the vocabulary adds one; plain text has nothing else
    std::vector<llama_token> response;  // ends with the end-of-turn or end-of-text token; plain text does not
    bool is_text = false;               // plain text, all of it a response
};

// Templates may print the time. It is part of what is trained on, so a run that is resumed or repeated on another day
// has to see the same, and so has an evaluation: 1 January 2025.
constexpr std::time_t time_of_chats = 1735689600;

// Turns records into tokens with one model's vocabulary and chat template.
class example_tokenizer {
  public:
    // `max_tokens`: of prompt and response together. `now`: the time for chat templates that print it.
    example_tokenizer(const llama_model * model, uint32_t max_tokens, std::time_t now);

    // A chat must end with a message of the assistant, which is the response; the rest is the prompt. A prompt and its
    // response stand as they are, the response closed by the vocabulary's end-of-text token. Throws
    // ERR_DATA_INVALID for a record that makes no example: an empty response, a chat that does not end with
    // the assistant or that the template refuses, more than max_tokens tokens; ERR_MODEL_UNSUPPORTED for a chat and a
    // model without a chat template. Without `close_response` the token that ends the response, if it has one, is left
    // out.
    example to_example(const data_record & record, bool close_response = true);

  private:
    example from_chat(const std::vector<chat_message> & messages);
    const chat_template & chat();

    const llama_model * model_;
    const llama_vocab * vocab_;
    uint32_t max_tokens_;
    std::time_t now_;
    std::optional<chat_template> chat_;  // made for the first chat
};

}  // namespace overfill
