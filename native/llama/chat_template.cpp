#include "chat_template.h"

#include "chat.h"
#include "failure.h"

#include <exception>

namespace overfill {

// llama.cpp's own way from messages to a prompt (common_chat_templates_apply) also works out how answers are to be
// parsed, which costs a dozen renderings, and knows no other time than now. Here its interpreter runs the template and
// nothing else.
struct chat_template::state {
    std::string source, bos, eos;
    bool adds_bos = false;
    jinja::program program;
};

static std::string text_of(const llama_vocab * vocab, llama_token token) {
    const char * text = token == LLAMA_TOKEN_NULL ? nullptr : llama_vocab_get_text(vocab, token);
    return text ? text : "";
}

chat_template::chat_template(const llama_model * model, const std::string & source) : state_(new state) {
    const char * own = llama_model_chat_template(model, nullptr);
    if (source.empty() && !own) throw failure(error_code::model_unsupported, "the model has no chat template");
    const llama_vocab * vocab = llama_model_get_vocab(model);
    state_->bos = text_of(vocab, llama_vocab_bos(vocab));
    state_->eos = text_of(vocab, llama_vocab_eos(vocab));
    state_->adds_bos = llama_vocab_get_add_bos(vocab);
    try {
        jinja::lexer lexer;
        const auto tokens = lexer.tokenize(source.empty() ? own : source);
        state_->program = jinja::parse_from_tokens(tokens);
        state_->source = tokens.source;
    } catch (const std::exception & error) {
        throw failure(source.empty() ? error_code::model_unsupported : error_code::invalid_argument,
                      std::string("the chat template cannot be parsed: ") + error.what());
    }
}

chat_template::~chat_template() = default;
chat_template::chat_template(chat_template &&) noexcept = default;
chat_template & chat_template::operator=(chat_template &&) noexcept = default;

std::string chat_template::apply(const std::vector<chat_message> & messages, bool answer_next, std::time_t now) const {
    common_json list = common_json::array();
    for (const chat_message & message : messages) {
        common_json one = common_json::object();
        one["role"] = message.role;
        one["content"] = message.content;
        list.push_back(one);
    }
    common_json variables = common_json::object();
    variables["messages"] = list;
    variables["bos_token"] = state_->bos;
    variables["eos_token"] = state_->eos;
    variables["add_generation_prompt"] = answer_next;

    std::string text;
    try {
        jinja::context context(state_->source);
        context.current_time = now;
        jinja::global_from_json(context, variables, /*mark_input*/ false);
        jinja::runtime runtime(context);
        text = jinja::runtime::gather_string_parts(runtime.execute(state_->program))->as_string().str();
    } catch (const std::exception & error) {
        throw failure(error_code::invalid_argument,
                      std::string("the chat template refuses these messages: ") + error.what());
    }
    if (state_->adds_bos && !state_->bos.empty() && text.compare(0, state_->bos.size(), state_->bos) == 0)
        text.erase(0, state_->bos.size());
    return text;
}

}  // namespace overfill
