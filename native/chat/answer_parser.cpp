#include "answer_parser.h"

#include "chat.h"
#include "deep_stack.h"

#include <exception>
#include <utility>

namespace overfill {

// The parser recurses as deep as an answer's brackets nest.
static constexpr size_t parser_stack_bytes = (size_t) 256 << 20;

struct answer_parser::state {
    common_chat_parser_params params;
    std::string text;
    common_chat_msg message;

    common_chat_msg parse(bool is_partial) const { return common_chat_parse(text, is_partial, params); }
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
}

answer_parser::~answer_parser() = default;

std::vector<answer_delta> answer_parser::push(const std::string & more, bool is_last) {
    state & s = *state_;
    s.text += more;
    std::vector<common_chat_msg_diff> diffs;
    with_stack(parser_stack_bytes, [&] {
        common_chat_msg next;
        try {
            next = s.parse(!is_last);
        } catch (const std::exception &) {
            try {
                next = s.parse(true);
            } catch (const std::exception &) {
                next = s.message;
                if (next.empty() && is_last) next.content = s.text;
            }
        }
        try {
            diffs = common_chat_msg_diff::compute_diffs(s.message, next);
        } catch (const std::exception &) {
            // It was taken for something else before; what was told already stays.
            if (!is_last) return;
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
            delta.tool_name = std::move(diff.tool_call_delta.name);
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
