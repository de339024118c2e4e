// The grammar of an answer. A lazy one sleeps, allowing everything, until a trigger comes: a token, which is the first
// that it gets, or a text, which it gets from the place on that the trigger says (text_trigger.h). That is what
// llama.cpp's llama_grammar_accept_impl does, token by token.
#pragma once

#include "grammar_matcher.h"
#include "options.h"
#include "text_trigger.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace overfill {

class answer_grammar {
  public:
    // Throws ERR_GRAMMAR_INVALID, also for a lazy grammar without triggers, and ERR_INVALID_ARGUMENT for a trigger that
    // is no token of the vocabulary.
    answer_grammar(const sampling_options & options, const llama_vocab * vocab, std::shared_ptr<token_pieces> pieces,
                   std::function<bool()> stopped);

    bool sleeps() const { return sleeps_; }
    // The rest is for a grammar that is awake.
    bool may_end() const { return matcher_.may_end(); }
    bool over() const { return matcher_.over(); }
    bool allows(llama_token token) { return matcher_.allows(token); }
    const std::vector<uint8_t> & allowed() { return matcher_.allowed(); }

    // Throws ERR_INFERENCE_FAILED if the text that woke the grammar does not follow it, as where a trigger ends within
    // a token.
    void accept(llama_token token);

    // See grammar_matcher; nothing is accepted in between while it sleeps.
    void begin_draft() { matcher_.begin_draft(); }
    void end_draft() { matcher_.end_draft(); }

  private:
    struct buffered_token {
        llama_token id;
        size_t begin, end;  // of its text in buffer_
    };

    void add_trigger(const grammar_trigger & trigger);
    void give(llama_token token, const std::string & piece);

    const llama_vocab * vocab_;
    std::function<bool()> stopped_;
    grammar_matcher matcher_;
    bool sleeps_;
    std::vector<llama_token> trigger_tokens_;
    std::vector<text_trigger> triggers_;
    std::string buffer_;  // the answer, while the grammar sleeps
    std::vector<buffered_token> tokens_;
};

}  // namespace overfill
