#include "chat_template.h"

#include "chat.h"
#include "deep_stack.h"
#include "failure.h"
#include "template_meter.h"

#include <exception>
#include <new>

namespace overfill {

// llama.cpp's own way from messages to a prompt (common_chat_templates_apply) also works out how answers are to be
// parsed, which costs a dozen renderings, and knows no other time than now. Here its interpreter runs the template and
// nothing else.
struct chat_template::state {
    std::string source, bos, eos;
    bool adds_bos = false;
    error_code blame = error_code::model_unsupported;  // whose template it is
    jinja::program program;

    void parse(const std::string & text) {
        jinja::lexer lexer;
        const auto tokens = lexer.tokenize(text);
        check_tokens(tokens);
        // Kept only when it is not too deep to be destroyed on any stack.
        jinja::program parsed = jinja::parse_from_tokens(tokens);
        meter(parsed);
        program = std::move(parsed);
        source = tokens.source;
    }

    std::string render(const common_json & variables, std::time_t now) const {
        const template_budget budget;
        jinja::context context(source);
        context.current_time = now;
        jinja::global_from_json(context, variables, /*mark_input*/ false);
        jinja::runtime runtime(context);
        return jinja::runtime::gather_string_parts(runtime.execute(program))->as_string().str();
    }
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
    if (!source.empty()) state_->blame = error_code::invalid_argument;
    try {
        with_stack(template_stack_bytes, [&] { state_->parse(source.empty() ? own : source); });
    } catch (const template_limit & limit) {
        throw failure(state_->blame, "the chat template is refused: " + limit.what);
    } catch (const failure &) {
        throw;
    } catch (const std::bad_alloc &) {
        throw;
    } catch (const std::exception & error) {
        throw failure(state_->blame, std::string("the chat template cannot be parsed: ") + error.what());
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
        with_stack(template_stack_bytes, [&] { text = state_->render(variables, now); });
    } catch (const template_limit & limit) {
        throw failure(state_->blame, "the chat template is refused: " + limit.what);
    } catch (const failure &) {
        throw;
    } catch (const std::bad_alloc &) {
        throw;
    } catch (const std::exception & error) {
        throw failure(error_code::invalid_argument,
                      std::string("the chat template refuses these messages: ") + error.what());
    }
    if (state_->adds_bos && !state_->bos.empty() && text.compare(0, state_->bos.size(), state_->bos) == 0)
        text.erase(0, state_->bos.size());
    return text;
}

}  // namespace overfill
