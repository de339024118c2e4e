#include "answer_parser.h"

#include "chat.h"
#include "deep_stack.h"

#include <exception>
#include <new>
#include <utility>

namespace overfill {

// The parser recurses as deep as an answer's brackets nest.
static constexpr size_t parser_stack_bytes = (size_t) 256 << 20;

struct answer_parser::state {
    common_chat_parser_params params;
    std::string text;
    common_chat_msg message;

    std::vector<std::string> thinking_ends;
    std::string begun;  // of the content that is gone on with

    common_chat_msg parse(bool is_partial) const { return common_chat_parse(text, is_partial, params); }

    // Where the text begins that the message has as its content, or would have.
    size_t content_begin() const {
        size_t at = 0;
        if (!message.reasoning_content.empty()) {
            at = text.find(message.reasoning_content);
            at = at == std::string::npos ? 0 : at + message.reasoning_content.size();
            for (const std::string & tag : thinking_ends) {
                const size_t end = text.find(tag, at);
                if (end != std::string::npos) {
                    at = end + tag.size();
                    break;
                }
            }
        }
        const size_t content = text.find(message.content, at);
        return content == std::string::npos ? at : content;
    }

    // What no parser made anything of is text: nobody loses the rest of an answer that only looked like a call.
    common_chat_msg with_rest_as_text() const {
        common_chat_msg next = message;
        next.content = params.is_continuation ? begun + text : text.substr(content_begin());
        return next;
    }

    // Whether less is in it than was told already.
    bool is_less(const common_chat_msg & next) const {
        return next.content.size() < message.content.size() || next.tool_calls.size() < message.tool_calls.size() ||
               next.reasoning_content.size() < message.reasoning_content.size();
    }
};

answer_parser::answer_parser(const chat_prompt & prompt) : state_(new state) {
    common_chat_parser_params & params = state_->params;
    params.format = (common_chat_format) prompt.format;
    params.generation_prompt = prompt.generation_prompt;
    params.reasoning_format = COMMON_REASONING_FORMAT_AUTO;
    params.is_continuation = prompt.continues_answer;
    if (!prompt.parser.empty()) params.parser.load(prompt.parser);
    // What a continued answer begins with was told before.
    if (prompt.continues_answer) push("", false);
    state_->message.role = "assistant";
    state_->thinking_ends = prompt.thinking_ends;
    // An answer that is gone on with begins with what the prompt has of it; that is told already.
    if (prompt.continues_answer) push("", false);
    state_->begun = state_->message.content;
}

answer_parser::~answer_parser() = default;

std::vector<answer_delta> answer_parser::push(const std::string & more, bool is_last) {
    state & s = *state_;
    s.text += more;
    const size_t n_calls = s.message.tool_calls.size();
    std::vector<common_chat_msg_diff> diffs;
    with_stack(parser_stack_bytes, [&] {
        common_chat_msg next;
        try {
            next = s.parse(!is_last);
        } catch (const std::bad_alloc &) {
            throw;
        } catch (const std::exception &) {
            try {
                next = s.parse(true);
            } catch (const std::bad_alloc &) {
                throw;
            } catch (const std::exception &) {
                next = s.message;
            }
            if (is_last && next.tool_calls.empty() && s.message.tool_calls.empty() &&
                next.content.size() <= s.message.content.size())
                next = s.with_rest_as_text();
        }
        // It was taken for something else before; what was told already stays.
        if (s.is_less(next)) return;
        try {
            diffs = common_chat_msg_diff::compute_diffs(s.message, next);
        } catch (const std::bad_alloc &) {
            throw;
        } catch (const std::exception &) {
            return;
        }
        next.role = "assistant";
        s.message = std::move(next);
    });
    std::vector<answer_delta> out;
    for (common_chat_msg_diff & diff : diffs) {
        answer_delta delta;
        delta.reasoning = std::move(diff.reasoning_content_delta);
        delta.text = std::move(diff.content_delta);
        if (diff.tool_call_index != std::string::npos) {
            delta.tool_index = (int32_t) diff.tool_call_index;
            // Where the id comes behind the input, the name comes a second time.
            if (diff.tool_call_index >= n_calls) delta.tool_name = std::move(diff.tool_call_delta.name);
            delta.tool_id = std::move(diff.tool_call_delta.id);
            delta.tool_arguments = std::move(diff.tool_call_delta.arguments);
        }
        out.push_back(std::move(delta));
    }
    return out;
}

parsed_answer answer_parser::answer() const {
    const common_chat_msg & message = state_->message;
    parsed_answer out{ message.reasoning_content, message.content, {} };
    for (const common_chat_tool_call & call : message.tool_calls)
        out.tool_calls.push_back({ call.id, call.name, call.arguments });
    return out;
}

}  // namespace overfill
