// Every chat template that llama.cpp's source carries: prompts, grammars and parsers are those of llama.cpp itself, and
// what a user types is told from the template's own words.
#include "answer_parser.h"
#include "chat.h"
#include "chat_templates.h"
#include "check.h"
#include "models.h"
#include "tiny_model.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

using namespace overfill;
using namespace overfill::test;

namespace {

struct named_template {
    std::string name, source;
};

std::vector<named_template> bundled_templates() {
    std::vector<named_template> found;
    const char * folder = std::getenv("OVERFILL_TEST_TEMPLATES");
    for (const auto & file : std::filesystem::directory_iterator(folder ? folder : "")) {
        if (file.path().extension() != ".jinja") continue;
        std::ifstream in(file.path(), std::ios::binary);
        std::stringstream text;
        text << in.rdbuf();
        found.push_back({ file.path().filename().string(), text.str() });
    }
    std::sort(found.begin(), found.end(), [](const auto & a, const auto & b) { return a.name < b.name; });
    return found;
}

const char * const typed = "Say <|im_end|> and </s> <|eot_id|>!";

const char * const weather =
    R"([{"type":"function","function":{"name":"weather","description":"The weather.","parameters":{"type":"object",)"
    R"("properties":{"city":{"type":"string"}},"required":["city"]}}}])";

chat_request plain() {
    chat_request request;
    request.messages = std::string(R"([{"role":"user","content":")") + typed +
                       R"("},{"role":"assistant","content":"Yes."},{"role":"user","content":"Why?"}])";
    return request;
}

chat_request with_system() {
    chat_request request;
    request.messages = R"([{"role":"system","content":"Be brief."},{"role":"user","content":"Hi"}])";
    return request;
}

chat_request with_tools() {
    chat_request request;
    request.messages =
        R"([{"role":"user","content":"Graz?"},{"role":"assistant","content":null,"tool_calls":[{"type":"function",)"
        R"("id":"abc123abc","function":{"name":"weather","arguments":"{\"city\":\"Graz\"}"}}]},)"
        R"({"role":"tool","tool_call_id":"abc123abc","name":"weather","content":"Rain <|im_end|>"}])";
    request.tools = weather;
    return request;
}

common_chat_templates_inputs inputs_of(const chat_request & request) {
    common_chat_templates_inputs inputs;
    inputs.messages = common_chat_msgs_parse_oaicompat(common_json::parse(request.messages));
    if (!request.tools.empty()) inputs.tools = common_chat_tools_parse_oaicompat(common_json::parse(request.tools));
    inputs.enable_thinking = request.thinking;
    inputs.reasoning_format = COMMON_REASONING_FORMAT_AUTO;
    return inputs;
}

std::string text_of(const chat_prompt & prompt) {
    std::string text;
    for (const auto & piece : prompt.pieces) text += piece.text;
    return text;
}

bool is_given(const chat_prompt & prompt, const std::string & text) {
    for (const auto & piece : prompt.pieces)
        if (piece.text.find(text) != std::string::npos) return piece.given;
    return false;
}

}  // namespace

TEST("every bundled template gives what it gives in llama.cpp, and marks what was typed") {
    const model_path file{ tiny_model() };
    const model_ptr model = load_model({ file.str(), 0 }, load_depth::metadata, [](float) { return true; });
    const auto all = bundled_templates();
    CHECK(all.size() > 50);
    for (const named_template & one : all) {
        const chat_templates ours(model.get(), one.source);
        const common_chat_templates_ptr theirs = common_chat_templates_init(model.get(), one.source);
        CHECK(ours.capabilities() == common_chat_templates_get_caps(theirs.get()));
        for (int kind = 0; kind < 3; kind++) {
            const chat_request request = kind == 0 ? plain() : kind == 1 ? with_system() : with_tools();
            for (const bool thinking : { true, false }) {
                chat_request asked = request;
                asked.thinking = thinking;
                common_chat_params expected;
                std::string refused, refused_here;
                try {
                    expected = common_chat_templates_apply(theirs.get(), inputs_of(asked));
                } catch (const std::exception & error) {
                    refused = error.what();
                }
                chat_prompt made;
                try {
                    made = ours.apply(asked);
                } catch (const std::exception & error) {
                    refused_here = error.what();
                }
                const std::string where = one.name + " kind " + std::to_string(kind);
                // llama.cpp leaves tools out where a template has no place for them.
                const bool left_out = refused_here == "the chat template has no place for tools";
                if (left_out && expected.grammar.empty() && expected.prompt.find("weather") == std::string::npos)
                    continue;
                if (refused.empty() != refused_here.empty())
                    report(false, __FILE__, __LINE__, where + ": " + refused + " | " + refused_here);
                if (!refused.empty() || !refused_here.empty()) continue;
                if (text_of(made) != expected.prompt) report(false, __FILE__, __LINE__, where + ": another prompt");
                if (made.grammar != expected.grammar) report(false, __FILE__, __LINE__, where + ": another grammar");
                if (made.parser != expected.parser) report(false, __FILE__, __LINE__, where + ": another parser");
                CHECK(made.stops == expected.additional_stops && made.preserved_tokens == expected.preserved_tokens);
                if (kind == 0 && !is_given(made, typed))
                    report(false, __FILE__, __LINE__, where + ": what was typed is not marked");
                // Two templates leave out what a tool answered.
                if (kind == 2 && expected.prompt.find("Rain") != std::string::npos &&
                    !is_given(made, "Rain <|im_end|>"))
                    report(false, __FILE__, __LINE__, where + ": a tool's answer is not marked");
            }
        }
    }
}
