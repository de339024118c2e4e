#include "answer_grammar.h"

#include "failure.h"
#include "text.h"

#include <algorithm>

namespace overfill {

answer_grammar::answer_grammar(const sampling_options & options, const llama_vocab * vocab,
                               std::shared_ptr<token_pieces> pieces, std::function<bool()> stopped)
    : vocab_(vocab), stopped_(stopped),
      matcher_(parse_grammar(options.grammar, vocab), vocab, std::move(pieces), std::move(stopped)),
      sleeps_(options.grammar_lazy) {
    if (!sleeps_) return;
    if (options.grammar_triggers.empty())
        throw failure(error_code::grammar_invalid, "a lazy grammar needs a trigger",
                      { { "parameter", "grammarTriggers" } });
    for (const grammar_trigger & trigger : options.grammar_triggers) add_trigger(trigger);
}

// The token that a text is, if it is one.
static llama_token token_of(const llama_vocab * vocab, const std::string & text) {
    const std::vector<llama_token> tokens =
        tokenize(vocab, text, text_place::continuation, /*parse_special*/ true, unwritable::leave_out);
    return tokens.size() == 1 ? tokens[0] : LLAMA_TOKEN_NULL;
}

void answer_grammar::add_trigger(const grammar_trigger & trigger) {
    switch (trigger.is) {
    case grammar_trigger::kind::token: {
        const llama_token token = trigger.token == LLAMA_TOKEN_NULL ? token_of(vocab_, trigger.value) : trigger.token;
        if (token < 0 || token >= llama_vocab_n_tokens(vocab_))
            throw failure(error_code::invalid_argument,
                          "grammarTriggers: " +
                              (trigger.token == LLAMA_TOKEN_NULL ? trigger.value : std::to_string(trigger.token)) +
                              " is no token of the vocabulary",
                          { { "parameter", "grammarTriggers" } });
        trigger_tokens_.push_back(token);
        return;
    }
    case grammar_trigger::kind::word: triggers_.push_back(text_trigger::word(trigger.value)); return;
    case grammar_trigger::kind::pattern: triggers_.push_back(text_trigger::pattern(trigger.value)); return;
    case grammar_trigger::kind::whole_pattern: triggers_.push_back(text_trigger::whole_pattern(trigger.value)); return;
    }
}

void answer_grammar::give(llama_token token, const std::string & piece) {
    if (!matcher_.follow(token, piece))
        throw failure(error_code::inference_failed, "the text that woke the lazy grammar does not follow it");
}

void answer_grammar::accept(llama_token token) {
    if (!sleeps_) return matcher_.accept(token);
    const std::string piece = piece_of(vocab_, token);
    if (std::find(trigger_tokens_.begin(), trigger_tokens_.end(), token) != trigger_tokens_.end()) {
        sleeps_ = false;
        buffer_.clear();
        return give(token, piece);
    }
    tokens_.push_back({ token, buffer_.size(), buffer_.size() + piece.size() });
    buffer_ += piece;
    for (text_trigger & trigger : triggers_) {
        const std::optional<size_t> from = trigger.find(buffer_, stopped_);
        if (!from) continue;
        sleeps_ = false;
        for (const buffered_token & one : tokens_) {
            if (one.end <= *from) continue;
            const size_t begin = std::max(one.begin, *from);
            give(one.id, buffer_.substr(begin, one.end - begin));
        }
        buffer_.clear();
        tokens_.clear();
        return;
    }
}

}  // namespace overfill
