#include "chat_templates.h"

#include "chat.h"
#include "deep_stack.h"
#include "failure.h"
#include "given_text.h"
#include "json-schema-to-grammar.h"
#include "log.h"
#include "template_meter.h"

#include <exception>
#include <new>
#include <utility>

// As chat.cpp defines it, which keeps it to itself; the version gate sees to it that the definitions are the same. It
// is needed to put programs that count in the place of those that do not.
struct common_chat_templates {
    bool add_bos;
    bool add_eos;
    bool has_explicit_template;
    std::unique_ptr<common_chat_template> template_default;
    std::unique_ptr<common_chat_template> template_tool_use;
};

namespace overfill {

// To find out how answers are parsed, llama.cpp renders some forty small chats beside the one that is asked for.
static constexpr uint32_t n_renderings = 8;

// llama.cpp runs a template as it makes an object of it. In this frame nothing runs.
static const std::string frame_begin = "{% if overfill_runs_this %}", frame_end = "{% endif %}";

struct chat_templates::state {
    error_code blame = error_code::model_unsupported;  // whose template it is
    common_chat_templates_ptr templates;

    template <class F> void within_bounds(const F & work) const {
        try {
            with_stack(template_stack_bytes, [&] {
                const template_budget budget(n_renderings);
                work();
            });
        } catch (const template_limit & limit) {
            throw failure(blame, "the chat template is refused: " + limit.what);
        }
    }

    // Throws ERR_INVALID_ARGUMENT where the template would leave the tools, or the choice, out.
    void check_tools(tool_choice choice, const common_chat_params & params) const;

    static void put(common_chat_template & place, const std::string & source) {
        jinja::lexer lexer;
        const auto tokens = lexer.tokenize(source);
        check_tokens(tokens);
        jinja::program program = jinja::parse_from_tokens(tokens);
        meter(program);
        place.prog = std::move(program);
        place.src = tokens.source;
        place.caps = jinja::caps_get(place.prog);
    }

    void make(const llama_model * model, const char * own, const char * own_for_tools, const std::string & source) {
        const bool by_name = source == "chatml";
        // The frame is parsed with the template, so it has to be one.
        const std::string text = !source.empty() ? source : own ? own : own_for_tools;
        if (!by_name) {
            jinja::lexer lexer;
            const auto tokens = lexer.tokenize(text);
            check_tokens(tokens);
            jinja::parse_from_tokens(tokens);
        }
        templates = common_chat_templates_init(model, by_name ? text : frame_begin + text + frame_end);
        const std::string framed = templates->template_default->src;
        put(*templates->template_default,
            by_name ? framed
                    : framed.substr(frame_begin.size(), framed.size() - frame_begin.size() - frame_end.size()));
        if (source.empty() && own && own_for_tools) {
            const common_chat_template & other = *templates->template_default;
            templates->template_tool_use = std::make_unique<common_chat_template>("", other.bos_tok, other.eos_tok);
            put(*templates->template_tool_use, own_for_tools);
        }
    }
};

chat_templates::chat_templates(const llama_model * model, const std::string & source) : state_(new state) {
    const char * own = llama_model_chat_template(model, nullptr);
    const char * own_for_tools = llama_model_chat_template(model, "tool_use");
    if (source.empty() && !own && !own_for_tools)
        throw failure(error_code::model_unsupported,
                      "the model has no chat template; give one, or the name \"chatml\", as `template`");
    if (!source.empty()) state_->blame = error_code::invalid_argument;
    // What libllama-common logs, it prints by itself.
    common_log_set_verbosity_thold(-1);
    state_->within_bounds([&] {
        try {
            state_->make(model, own, own_for_tools, source);
        } catch (const failure &) {
            throw;
        } catch (const std::bad_alloc &) {
            throw;
        } catch (const std::exception & error) {
            throw failure(state_->blame, std::string("the chat template cannot be parsed: ") + error.what());
        }
    });
}

chat_templates::~chat_templates() = default;
chat_templates::chat_templates(chat_templates &&) noexcept = default;
chat_templates & chat_templates::operator=(chat_templates &&) noexcept = default;

std::map<std::string, bool> chat_templates::capabilities() const {
    return common_chat_templates_get_caps(state_->templates.get());
}

static void check_schema(const std::string & schema) {
    if (schema.empty()) return;
    try {
        json_schema_to_grammar(common_json::parse(schema));
    } catch (const std::bad_alloc &) {
        throw;
    } catch (const std::exception & error) {
        throw failure(error_code::schema_unsupported,
                      std::string("the JSON schema cannot be turned into a grammar: ") + error.what());
    }
}

static common_chat_templates_inputs to_inputs(const chat_request & request) {
    common_chat_templates_inputs inputs;
    inputs.messages = common_chat_msgs_parse_oaicompat(common_json::parse(request.messages));
    if (!request.tools.empty()) inputs.tools = common_chat_tools_parse_oaicompat(common_json::parse(request.tools));
    inputs.json_schema = request.json_schema;
    inputs.tool_choice = request.choice == tool_choice::none       ? COMMON_CHAT_TOOL_CHOICE_NONE
                         : request.choice == tool_choice::required ? COMMON_CHAT_TOOL_CHOICE_REQUIRED
                                                                   : COMMON_CHAT_TOOL_CHOICE_AUTO;
    inputs.parallel_tool_calls = request.parallel_tool_calls;
    inputs.enable_thinking = request.thinking;
    inputs.reasoning_format = COMMON_REASONING_FORMAT_AUTO;
    if (request.continues_answer) inputs.continue_final_message = COMMON_CHAT_CONTINUATION_AUTO;
    for (const auto & [name, value] : request.variables) inputs.chat_template_kwargs[name] = value;
    return inputs;
}

static std::string trigger_type(common_grammar_trigger_type type) {
    switch (type) {
    case COMMON_GRAMMAR_TRIGGER_TYPE_TOKEN: return "token";
    case COMMON_GRAMMAR_TRIGGER_TYPE_WORD: return "word";
    case COMMON_GRAMMAR_TRIGGER_TYPE_PATTERN: return "pattern";
    case COMMON_GRAMMAR_TRIGGER_TYPE_PATTERN_FULL: return "pattern-full";
    }
    throw failure(error_code::internal, "llama.cpp has a new kind of grammar trigger");
}

void chat_templates::state::check_tools(tool_choice choice, const common_chat_params & params) const {
    const auto able = common_chat_templates_get_caps(templates.get());
    // llama.cpp leaves them out otherwise, and the model never hears of them. Some formats it knows by itself.
    const bool has_place = able.at("supports_tools") || able.at("supports_tool_calls") ||
                           params.parser.find("\"tool-name\"") != std::string::npos;
    if (choice == tool_choice::none || (has_place && (choice == tool_choice::automatic || !params.grammar.empty())))
        return;
    throw failure(error_code::invalid_argument,
                  has_place ? "the chat template cannot hold the model to a call of a tool"
                            : "the chat template has no place for tools",
                  { { "parameter", "tools" } });
}

chat_prompt chat_templates::apply(const chat_request & request) const {
    chat_prompt prompt;
    state_->within_bounds([&] {
        check_schema(request.json_schema);
        const rendering_record record;
        common_chat_params params;
        try {
            params = common_chat_templates_apply(state_->templates.get(), to_inputs(request));
        } catch (const failure &) {
            throw;
        } catch (const std::bad_alloc &) {
            throw;
        } catch (const std::exception & error) {
            throw failure(error_code::invalid_argument,
                          std::string("the chat template refuses this chat: ") + error.what(),
                          { { "parameter", "messages" } });
        }
        if (!request.tools.empty()) state_->check_tools(request.choice, params);
        for (rendered_piece & piece : record.pieces_of(params.prompt))
            prompt.pieces.push_back({ std::move(piece.text), piece.given });
        prompt.grammar = std::move(params.grammar);
        prompt.grammar_lazy = params.grammar_lazy;
        for (const common_grammar_trigger & trigger : params.grammar_triggers)
            prompt.triggers.push_back({ trigger_type(trigger.type), trigger.value,
                                        trigger.type == COMMON_GRAMMAR_TRIGGER_TYPE_TOKEN ? trigger.token : -1 });
        prompt.preserved_tokens = std::move(params.preserved_tokens);
        prompt.stops = std::move(params.additional_stops);
        prompt.supports_thinking = params.supports_thinking;
        prompt.thinking_start = std::move(params.thinking_start_tag);
        prompt.thinking_ends = std::move(params.thinking_end_tags);
        prompt.generation_prompt = std::move(params.generation_prompt);
        prompt.parser = std::move(params.parser);
        prompt.format = params.format;
        prompt.continues_answer = request.continues_answer;
    });
    return prompt;
}

}  // namespace overfill
