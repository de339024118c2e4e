// Answers in the formats of the bundled templates: however an answer is cut into pieces, what is told of it adds up to
// what the whole says. Formats as in llama.cpp's tests/test-chat.cpp.
#include "answer_parser.h"
#include "chat_templates.h"
#include "check.h"
#include "models.h"
#include "tiny_model.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <random>
#include <sstream>

using namespace overfill;
using namespace overfill::test;

namespace {

const char * const tools =
    R"([{"type":"function","function":{"name":"weather","description":"The weather.","parameters":{"type":"object",)"
    R"("properties":{"city":{"type":"string"},"days":{"type":"integer"}},"required":["city"]}}},)"
    R"({"type":"function","function":{"name":"clock","description":"The time.","parameters":{"type":"object",)"
    R"("properties":{}}}}])";

struct answer_case {
    std::string file;
    std::string said;
    std::string reasoning, text;
    std::vector<std::string> calls;  // names
    bool thinking = true;
};

const std::string graz = R"({"city": "Gr\u00e4z \"}]", "days": 3})", wien = R"({"city": "Wien – 🙂"})";

const std::vector<answer_case> cases = {
    { "NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use.jinja",
      "I look.<tool_call>\n{\"name\": \"weather\", \"arguments\": " + graz + "}</tool_call>",
      "",
      "I look.",
      { "weather" } },
    { "Qwen-Qwen2.5-7B-Instruct.jinja",
      "<tool_call>\n{\"name\": \"weather\", \"arguments\": " + graz +
          "}\n</tool_call>\n<tool_call>\n{\"name\": \"weather\", "
          "\"arguments\": " +
          wien + "}\n</tool_call>",
      "",
      "",
      { "weather", "weather" } },
    { "Qwen-Qwen3-0.6B.jinja",
      "<think>\nWhich <city>?\n</think>\n\n<tool_call>\n{\"name\": \"weather\", \"arguments\": " + wien +
          "}\n</tool_call>",
      "Which <city>?",
      "",
      { "weather" } },
    { "Qwen-QwQ-32B.jinja", "Hm.\n</think>\nÜber allem: a < b && b > c.", "Hm.", "Über allem: a < b && b > c.", {} },
    { "ibm-granite-granite-4.0.jinja",
      "<tool_call>\n{\"name\": \"weather\", \"arguments\": " + graz + "}\n</tool_call>",
      "",
      "",
      { "weather" } },
    { "Qwen3-Coder.jinja",
      "<tool_call>\n<function=weather>\n<parameter=city>\nGraz \"x\" "
      "<b>\n</parameter>\n<parameter=days>\n3\n</parameter>\n"
      "</function>\n</tool_call>",
      "",
      "",
      { "weather" } },
    { "deepseek-ai-DeepSeek-V3.1.jinja",
      "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>weather<｜tool▁sep｜>" + graz +
          "<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
      "",
      "",
      { "weather" },
      false },
    { "deepseek-ai-DeepSeek-V3.2.jinja",
      "Where?</think>\n\n<｜DSML｜function_calls>\n<｜DSML｜invoke name=\"weather\">\n<｜DSML｜parameter name=\"city\" "
      "string=\"true\">Graz</｜DSML｜parameter>\n<｜DSML｜parameter name=\"days\" "
      "string=\"false\">3</｜DSML｜parameter>\n"
      "</｜DSML｜invoke>\n</｜DSML｜function_calls>",
      "Where?",
      "",
      { "weather" } },
    { "deepseek-ai-DeepSeek-V4.jinja",
      "Where?</think>\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"weather\">\n<｜DSML｜parameter name=\"city\" "
      "string=\"true\">Graz</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜tool_calls>",
      "Where?",
      "",
      { "weather" } },
    { "llama-cpp-deepseek-r1.jinja", "Well…\n</think>\nYes: </b>.", "Well…", "Yes: </b>.", {} },
    { "GLM-4.6.jinja", "\n<think>Let me see.</think>\nGood day.", "Let me see.", "Good day.", {} },
    { "GLM-4.7-Flash.jinja",
      "Where?</think><tool_call>weather<arg_key>city</arg_key><arg_value>Graz & "
      "\"x\"</arg_value><arg_key>days</arg_key>"
      "<arg_value>3</arg_value></tool_call><tool_call>clock</tool_call>",
      "Where?",
      "",
      { "weather", "clock" } },
    { "Kimi-K2-Thinking.jinja",
      "<think>Where?</think>Hello.<|tool_calls_section_begin|><|tool_call_begin|>functions.weather:0"
      "<|tool_call_argument_begin|>" +
          graz +
          "<|tool_call_end|><|tool_call_begin|>functions.clock:1"
          "<|tool_call_argument_begin|>{}<|tool_call_end|><|tool_calls_section_end|>",
      "Where?",
      "Hello.",
      { "weather", "clock" } },
    { "moonshotai-Kimi-K2.jinja",
      "<|tool_calls_section_begin|><|tool_call_begin|>functions.weather:0<|tool_call_argument_begin|>" + wien +
          "<|tool_call_end|><|tool_calls_section_end|>",
      "",
      "",
      { "weather" } },
    { "MiniMax-M2.jinja",
      "Where?\n</think>\n\n<minimax:tool_call>\n<invoke name=\"weather\">\n<parameter name=\"city\">Graz</parameter>\n"
      "<parameter name=\"days\">3</parameter>\n</invoke>\n</minimax:tool_call>",
      "Where?",
      "",
      { "weather" } },
    { "CohereForAI-c4ai-command-r7b-12-2024-tool_use.jinja",
      "<|START_THINKING|>Where?<|END_THINKING|><|START_ACTION|>[\n    {\"tool_call_id\": \"0\", \"tool_name\": "
      "\"weather\", "
      "\"parameters\": " +
          graz + "}\n]<|END_ACTION|>",
      "Where?",
      "",
      { "weather" } },
    { "CohereForAI-c4ai-command-r-plus-tool_use.jinja",
      "Action:\n```json\n[{\"tool_name\": \"weather\", \"parameters\": " + graz + "}]\n```",
      "",
      "",
      { "weather" } },
    { "mistralai-Mistral-Nemo-Instruct-2407.jinja",
      "[TOOL_CALLS][{\"name\": \"weather\", \"arguments\": " + graz + ", \"id\": \"123456789\"}]",
      "",
      "",
      { "weather" } },
    { "mistralai-Ministral-3-14B-Reasoning-2512.jinja",
      "[THINK]Where?[/THINK][TOOL_CALLS]weather[ARGS]" + graz + "[TOOL_CALLS]clock[ARGS]{}",
      "Where?",
      "",
      { "weather", "clock" } },
    { "meetkai-functionary-medium-v3.1.jinja", "<function=weather>" + graz + "</function>", "", "", { "weather" } },
    { "meetkai-functionary-medium-v3.2.jinja", "weather\n" + wien, "", "", { "weather" } },
    { "meta-llama-Llama-3.1-8B-Instruct.jinja",
      "{\"name\": \"weather\", \"parameters\": " + graz + "}",
      "",
      "",
      { "weather" } },
    { "meta-llama-Llama-3.3-70B-Instruct.jinja", "It is {\"clear\"}.", "", "It is {\"clear\"}.", {} },
    { "openai-gpt-oss-120b.jinja",
      "<|channel|>analysis<|message|>Where?<|end|><|start|>assistant<|channel|>final<|message|>In Graz – 🙂.",
      "Where?",
      "In Graz – 🙂.",
      {} },
    { "openai-gpt-oss-120b.jinja",
      "<|channel|>analysis<|message|>Where?<|end|><|start|>assistant to=functions.weather<|channel|>commentary "
      "<|constrain|>json<|message|>" +
          wien,
      "Where?",
      "",
      { "weather" } },
    { "google-gemma-2-2b-it.jinja", "Only <text> & \"quotes\".", "", "Only <text> & \"quotes\".", {} },
};

std::string read(const std::string & file) {
    const char * folder = std::getenv("OVERFILL_TEST_TEMPLATES");
    std::ifstream in(std::string(folder ? folder : "") + "/" + file, std::ios::binary);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
}

struct fixture {
    model_path file{ tiny_model() };
    model_ptr model = load_model({ file.str(), 0 }, load_depth::metadata, [](float) { return true; });

    chat_prompt prompt(const answer_case & one) const {
        const chat_templates templates(model.get(), read(one.file));
        chat_request request;
        request.messages = R"([{"role":"user","content":"Graz?"}])";
        // Gemma 2 has no place for them.
        if (std::string(one.file).find("gemma-2") == std::string::npos) request.tools = tools;
        request.parallel_tool_calls = true;
        request.thinking = one.thinking;
        return templates.apply(request);
    }
};

// What the pieces told, as one.
struct told {
    parsed_answer sum;
    void add(const std::vector<answer_delta> & deltas) {
        for (const answer_delta & delta : deltas) {
            sum.reasoning += delta.reasoning;
            sum.text += delta.text;
            if (delta.tool_index < 0) continue;
            if ((size_t) delta.tool_index >= sum.tool_calls.size())
                sum.tool_calls.resize((size_t) delta.tool_index + 1);
            auto & call = sum.tool_calls[(size_t) delta.tool_index];
            call.name += delta.tool_name;
            call.arguments += delta.tool_arguments;
        }
    }
};

std::string shown(const parsed_answer & answer) {
    std::string out = "[" + answer.reasoning + "] [" + answer.text + "]";
    for (const auto & call : answer.tool_calls) out += " " + call.name + "(" + call.arguments + ")";
    return out;
}

std::string trimmed(const std::string & text) {
    const size_t begin = text.find_first_not_of(" \n"), end = text.find_last_not_of(" \n");
    return begin == std::string::npos ? "" : text.substr(begin, end - begin + 1);
}

// Pieces of whole characters, as the engine gives them.
std::vector<std::string> cut(const std::string & text, std::mt19937 & random, uint32_t most) {
    std::vector<std::string> pieces;
    for (size_t at = 0; at < text.size();) {
        size_t end = std::min(text.size(), at + 1 + random() % most);
        while (end < text.size() && ((unsigned char) text[end] & 0xC0) == 0x80) end++;
        pieces.push_back(text.substr(at, end - at));
        at = end;
    }
    return pieces;
}

}  // namespace

TEST("an answer in one piece is read as what it says, in every format") {
    const fixture it;
    for (const answer_case & one : cases) {
        answer_parser parser(it.prompt(one));
        told sum;
        sum.add(parser.push(one.said, true));
        const parsed_answer answer = parser.answer();
        std::vector<std::string> names;
        for (const auto & call : answer.tool_calls) names.push_back(call.name);
        if (trimmed(answer.reasoning) != one.reasoning || trimmed(answer.text) != one.text || names != one.calls)
            report(false, __FILE__, __LINE__, one.file + ": " + shown(answer));
        if (shown(sum.sum) != shown(answer)) report(false, __FILE__, __LINE__, one.file + ": " + shown(sum.sum));
    }
}

TEST("however an answer is cut, its pieces add up to the same") {
    const fixture it;
    std::mt19937 random(1);
    for (const answer_case & one : cases) {
        const chat_prompt prompt = it.prompt(one);
        answer_parser whole(prompt);
        whole.push(one.said, true);
        for (int round = 0; round < 12; round++) {
            answer_parser parser(prompt);
            told sum;
            for (const std::string & piece : cut(one.said, random, round < 2 ? 1 : 1 + random() % 40))
                sum.add(parser.push(piece, false));
            sum.add(parser.push("", true));
            if (shown(parser.answer()) != shown(whole.answer()))
                report(false, __FILE__, __LINE__, one.file + ": " + shown(parser.answer()));
            if (shown(sum.sum) != shown(parser.answer()))
                report(false, __FILE__, __LINE__,
                       one.file + ", told: " + shown(sum.sum) + ", is: " + shown(parser.answer()));
        }
    }
}

TEST("an answer cut short is read as far as it goes") {
    const fixture it;
    for (const answer_case & one : cases) {
        const chat_prompt prompt = it.prompt(one);
        for (size_t end = 0; end < one.said.size(); end += 7) {
            answer_parser parser(prompt);
            told sum;
            sum.add(parser.push(one.said.substr(0, end / 2), false));
            sum.add(parser.push(one.said.substr(end / 2, end - end / 2), false));
            sum.add(parser.push("", false));
            if (shown(sum.sum) != shown(parser.answer()))
                report(false, __FILE__, __LINE__,
                       one.file + ", told: " + shown(sum.sum) + ", is: " + shown(parser.answer()));
        }
    }
}

TEST("of an answer that is gone on with, only what is new is told") {
    const fixture it;
    for (const answer_case & one : cases) {
        const chat_templates templates(it.model.get(), read(one.file));
        chat_request request;
        request.messages = R"([{"role":"user","content":"Count."},{"role":"assistant","content":"one, two"}])";
        request.continues_answer = true;
        answer_parser parser(templates.apply(request));
        told sum;
        for (const char * piece : { ", th", "ree" }) sum.add(parser.push(piece, false));
        sum.add(parser.push("", true));
        if (shown(sum.sum) != "[] [, three]") report(false, __FILE__, __LINE__, one.file + ": " + shown(sum.sum));
    }
}

TEST("hostile answers are read to their end") {
    const fixture it;
    const std::string deep(20000, '['), open(1 << 20, '['), objects = [] {
        std::string text;
        for (int i = 0; i < 4000; i++) text += "{\"a\":";
        return text;
    }();
    for (const answer_case & one : cases) {
        const chat_prompt prompt = it.prompt(one);
        // In the place of the arguments, or of the text.
        const size_t at = one.said.find('{');
        for (const std::string * hostile : { &deep, &objects }) {
            answer_parser parser(prompt);
            const std::string said = one.said.substr(0, at == std::string::npos ? 0 : at) + *hostile;
            parser.push(said, false);
            parser.push("", true);
        }
    }
    answer_parser parser(it.prompt(cases[0]));
    parser.push(open, false);
    parser.push("", true);
    CHECK(parser.answer().text == open);
}
