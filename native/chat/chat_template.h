// A chat as the text that a model was trained to read: its own template, run by llama.cpp's Jinja interpreter
// (libllama-common).
#pragma once

#include "chat_message.h"

#include <llama.h>

#include <ctime>
#include <memory>
#include <string>
#include <vector>

namespace overfill {

class chat_template {
  public:
    // The model's template, or `source` in place of it. Throws ERR_MODEL_UNSUPPORTED for a model without one or with
    // one that does not parse or nests too deeply, and ERR_INVALID_ARGUMENT for such a source.
    explicit chat_template(const llama_model * model, const std::string & source = "");
    ~chat_template();
    chat_template(chat_template &&) noexcept;
    chat_template & operator=(chat_template &&) noexcept;

    // `answer_next`: with what comes before an answer at the end. `now`: the time that templates may print; training
    // gives a fixed one. The BOS token is not in the text: tokenising adds it. Throws ERR_INVALID_ARGUMENT for messages
    // that the template refuses, such as two of the user in a row; and what the constructor throws for a template that
    // recurses, computes or writes without bounds (template_meter.h). Takes a few seconds at most, on a thread and a
    // stack of its own.
    std::string apply(const std::vector<chat_message> & messages, bool answer_next, std::time_t now) const;

  private:
    struct state;
    std::unique_ptr<state> state_;
};

}  // namespace overfill
