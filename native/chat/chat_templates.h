// Chats for talking: llama.cpp's own way from messages and tools to a prompt, a grammar and a parser
// (common_chat_templates_apply), run within bounds. chat_template.h is the way of training, which only renders.
#pragma once

#include "chat_prompt.h"

#include <llama.h>

#include <map>
#include <memory>
#include <string>

namespace overfill {

class chat_templates {
  public:
    // The model's templates (also its "tool_use" one), or `source` in place of them; "chatml" is a name for that one.
    // Throws ERR_MODEL_UNSUPPORTED for a model without a template or with one that does not parse or has no bounds, and
    // ERR_INVALID_ARGUMENT for such a source. Takes seconds for the worst of them.
    chat_templates(const llama_model * model, const std::string & source);
    ~chat_templates();
    chat_templates(chat_templates &&) noexcept;
    chat_templates & operator=(chat_templates &&) noexcept;

    // Throws ERR_INVALID_ARGUMENT for messages or tools that the template refuses, ERR_SCHEMA_UNSUPPORTED
    // for a schema that llama.cpp cannot turn into a grammar, and what the constructor throws for a template without
    // bounds. The BOS token is not in the text: tokenising adds it.
    chat_prompt apply(const chat_request & request) const;

    // What the template can do, by llama.cpp's names, such as "supports_tools".
    std::map<std::string, bool> capabilities() const;

  private:
    struct state;
    std::unique_ptr<state> state_;
};

}  // namespace overfill
