#include "examples.h"

#include "failure.h"
#include "text.h"

#include <algorithm>

namespace overfill {

[[noreturn]] static void refuse(const std::string & why) { throw failure(error_code::data_invalid, why); }

example_tokenizer::example_tokenizer(const llama_model * model, uint32_t max_tokens, std::time_t now)
    : model_(model), vocab_(llama_model_get_vocab(model)), max_tokens_(max_tokens), now_(now) {}

const chat_template & example_tokenizer::chat() {
    if (!chat_) chat_.emplace(model_);
    return *chat_;
}

// A line with a character that the vocabulary lacks is no example: an unknown token would be learned in its place.
static text_parts split(const llama_vocab * vocab, const std::string & before, const std::string & after) {
    try {
        return split_text(vocab, before, after, /*parse_special*/ true, unwritable::refuse);
    } catch (const failure & error) {
        if (error.code() != error_code::invalid_argument) throw;
        refuse(error.what());
    }
}

static example to_parts(text_parts parts) {
    // Some vocabularies drop characters, so that a text may come to nothing.
    if (parts.after.empty()) refuse("the response has no tokens");
    return { std::move(parts.before), std::move(parts.after), false };
}

example example_tokenizer::from_chat(const std::vector<chat_message> & messages) {
    if (messages.back().role != "assistant") refuse("the last message is not the assistant's");
    if (messages.back().content.empty()) refuse("the assistant's message is empty");
    if (messages.size() == 1) refuse("there is nothing before the assistant's message");
    const std::vector<chat_message> before(messages.begin(), messages.end() - 1);
    std::string prompt, whole;
    try {
        prompt = chat().apply(before, /*answer_next*/ true, now_);
        whole = chat().apply(messages, /*answer_next*/ false, now_);
    } catch (const failure & error) {
        if (error.code() != error_code::invalid_argument) throw;
        refuse(error.what());
    }
    if (whole.compare(0, prompt.size(), prompt) != 0)
        refuse("the chat template does not put the answer after its generation prompt");
    std::string response = whole.substr(prompt.size());
    // Templates end a turn with a newline that the model never has to write: it stops at the token before.
    while (!response.empty() && (response.back() == '\n' || response.back() == ' ')) response.pop_back();
    return to_parts(split(vocab_, prompt, response));
}

example example_tokenizer::to_example(const data_record & record, bool close_response) {
    example made;
    if (!record.messages.empty()) {
        made = from_chat(record.messages);
    } else if (record.text) {
        if (record.text->empty()) refuse("the text is empty");
        made = to_parts(split(vocab_, "", *record.text));
        made.is_text = true;
    } else {
        if (record.response->empty()) refuse("the response is empty");
        made = to_parts(split(vocab_, *record.prompt, *record.response));
        const llama_token end = llama_vocab_eos(vocab_);
        if (end != LLAMA_TOKEN_NULL && !llama_vocab_is_eog(vocab_, made.response.back())) made.response.push_back(end);
    }
    if (!close_response && !made.is_text && llama_vocab_is_eog(vocab_, made.response.back())) made.response.pop_back();
    if (made.response.empty()) refuse("the response consists of an end token only");
    if (made.prompt.empty() && made.response.size() < 2) refuse("a single token leaves nothing to predict it from");
    const size_t n = made.prompt.size() + made.response.size();
    if (n > max_tokens_)
        refuse(std::to_string(n) + " tokens, more than the " + std::to_string(max_tokens_) + " of the context");
    return made;
}

}  // namespace overfill
