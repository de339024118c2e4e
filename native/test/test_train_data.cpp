// Training data: lines shuffled and resumed, records of all shapes, records as tokens.
#include "check.h"
#include "data_record.h"
#include "examples.h"
#include "models.h"
#include "shuffled_lines.h"
#include "temp_folder.h"
#include "text.h"
#include "tiny_model.h"

#include <algorithm>
#include <set>

using namespace overfill;
using namespace overfill::test;

// --- lines ---

static std::string numbered_lines(int n) {
    std::string text;
    for (int i = 1; i <= n; i++) text += "line " + std::to_string(i) + "\n";
    return text;
}

TEST("every epoch gives every line once, in another order") {
    const temp_folder folder;
    put_bytes(folder.file("data"), numbered_lines(50));
    for (const uint64_t window : { 1, 2, 7, 50, 1000 }) {
        shuffled_lines lines(folder.file("data"), window, 5);
        std::vector<std::vector<uint64_t>> epochs(3);
        for (int i = 0; i < 150; i++) {
            const data_line line = lines.next();
            CHECK_EQUAL(line.text, "line " + std::to_string(line.number));
            CHECK_EQUAL(line.epoch, (uint64_t) i / 50);
            epochs[line.epoch].push_back(line.number);
        }
        for (const auto & epoch : epochs)
            CHECK_EQUAL(std::set<uint64_t>(epoch.begin(), epoch.end()).size(), (size_t) 50);
        CHECK_EQUAL(epochs[0] == epochs[1], window == 1);
        CHECK_EQUAL(std::is_sorted(epochs[0].begin(), epochs[0].end()), window == 1);
        // A line comes out no earlier than the window allows.
        for (size_t i = 0; i < 50; i++) CHECK(epochs[0][i] <= i + window);
    }
}

TEST("a resumed reading goes on as if it had never stopped") {
    const temp_folder folder;
    put_bytes(folder.file("data"), numbered_lines(23));
    for (int stop = 0; stop < 60; stop++) {
        shuffled_lines whole(folder.file("data"), 8, 9), first(folder.file("data"), 8, 9);
        for (int i = 0; i < stop; i++) CHECK_EQUAL(first.next().number, whole.next().number);
        shuffled_lines second(folder.file("data"), 8, 1234);
        second.resume(first.position());
        for (int i = 0; i < 40; i++) {
            const data_line expected = whole.next(), got = second.next();
            CHECK(got.number == expected.number && got.text == expected.text && got.epoch == expected.epoch);
        }
    }
}

TEST("equal seeds give equal orders, others do not") {
    const temp_folder folder;
    put_bytes(folder.file("data"), numbered_lines(30));
    const auto order = [&](uint64_t seed) {
        shuffled_lines lines(folder.file("data"), 30, seed);
        std::vector<uint64_t> numbers;
        for (int i = 0; i < 30; i++) numbers.push_back(lines.next().number);
        return numbers;
    };
    CHECK(order(1) == order(1));
    CHECK(order(1) != order(2));
}

TEST("line ends, blank lines and a last line without an end are as editors write them") {
    const temp_folder folder;
    put_bytes(folder.file("data"), "a\r\n\n \t\nb\n\r\nlast");
    shuffled_lines lines(folder.file("data"), 1, 0);
    const char * texts[] = { "a", "b", "last" };
    const uint64_t numbers[] = { 1, 4, 6 };
    for (int epoch = 0; epoch < 2; epoch++)
        for (int i = 0; i < 3; i++) {
            const data_line line = lines.next();
            CHECK_EQUAL(line.text, std::string(texts[i]));
            CHECK_EQUAL(line.number, numbers[i]);
        }
}

TEST("a byte order mark of UTF-8 is passed over, UTF-16 is refused") {
    const temp_folder folder;
    put_bytes(folder.file("data"), "\xEF\xBB\xBF"
                                   "a\nb");
    shuffled_lines lines(folder.file("data"), 1, 0);
    for (int epoch = 0; epoch < 2; epoch++) {
        CHECK_EQUAL(lines.next().text, std::string("a"));
        CHECK_EQUAL(lines.next().text, std::string("b"));
    }
    for (const std::string & wide : { std::string("\xFF\xFE"
                                                  "a\0",
                                                  4),
                                      std::string("a\0b\0", 4), std::string("\0a", 2) }) {
        put_bytes(folder.file("wide"), wide);
        CHECK_FAILURE(error_code::data_invalid, shuffled_lines(folder.file("wide"), 1, 0));
    }
}

TEST("no file, no line, and another file than the one begun with are coded errors") {
    const temp_folder folder;
    CHECK_FAILURE(error_code::file_read_failed, shuffled_lines(folder.file("none"), 8, 0));
    CHECK_FAILURE(error_code::file_read_failed, shuffled_lines(folder.path.string(), 8, 0));
    for (const char * empty : { "", "\n", " \r\n\t\n" }) {
        put_bytes(folder.file("empty"), empty);
        CHECK_FAILURE(error_code::data_invalid, shuffled_lines(folder.file("empty"), 8, 0));
    }
    put_bytes(folder.file("long"), numbered_lines(100));
    put_bytes(folder.file("short"), numbered_lines(10));
    shuffled_lines longer(folder.file("long"), 8, 0), shorter(folder.file("short"), 8, 0);
    for (int i = 0; i < 50; i++) longer.next();
    CHECK_FAILURE(error_code::data_invalid, shorter.resume(longer.position()));
    put_bytes(folder.file("long"), "");
    CHECK_FAILURE(error_code::file_read_failed, for (int i = 0; i < 100; i++) longer.next());
}

// --- records ---

TEST("the three kinds of record are read, and other keys are left alone") {
    const data_record chat = parse_data_record(
        R"({"id": 7, "messages": [{"role": "user", "content": "Hi \u00e9"}, {"role": "assistant",
            "content": [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}]}]})");
    CHECK_EQUAL(chat.messages.size(), (size_t) 2);
    CHECK_EQUAL(chat.messages[0].role, std::string("user"));
    CHECK_EQUAL(chat.messages[0].content, std::string("Hi \xc3\xa9"));
    CHECK_EQUAL(chat.messages[1].content, std::string("Hello"));

    for (const char * key : { "response", "completion" }) {
        const data_record pair = parse_data_record("{\"prompt\": \"2+2=\", \"" + std::string(key) + "\": \"4\"}");
        CHECK_EQUAL(*pair.prompt, std::string("2+2="));
        CHECK_EQUAL(*pair.response, std::string("4"));
        CHECK(!pair.text && pair.messages.empty());
    }
    CHECK_EQUAL(*parse_data_record(R"({"text": ""})").text, std::string());
}

TEST("a chat whose list of tools is empty is a chat like any other") {
    const data_record chat = parse_data_record(
        R"({"tools": [], "messages": [{"role": "system", "content": ""}, {"role": "user", "content": "a"},
            {"role": "assistant", "content": "b", "tool_calls": null}]})");
    CHECK_EQUAL(chat.messages.size(), (size_t) 3);
    CHECK_EQUAL(chat.messages[0].content, std::string());
}

TEST("a line that is no record says what is wrong with it") {
    const std::pair<const char *, const char *> cases[] = {
        { "", "it is not valid JSON" },
        { "{\"text\": \"a\"", "it is not valid JSON" },
        { "{\"text\": \"\xff\"}", "it is not valid JSON in UTF-8" },
        { "[]", "it is not a JSON object" },
        { "7", "it is not a JSON object" },
        { "{}", "none of" },
        { R"({"text": "a", "prompt": "b"})", "only one of" },
        { R"({"prompt": "b"})", "\"completion\" is missing" },
        { R"({"response": "b"})", "\"prompt\" is missing" },
        { R"({"prompt": 1, "response": "b"})", "\"prompt\" is not a string" },
        { R"({"text": null})", "\"text\" is not a string" },
        { R"({"messages": {}})", "is not a list" },
        { R"({"messages": []})", "is empty" },
        { R"({"messages": ["a"]})", "a message is not an object" },
        { R"({"messages": [{"content": "a"}]})", "no \"role\"" },
        { R"({"messages": [{"role": "user"}]})", "no \"content\"" },
        { R"({"messages": [{"role": "user", "content": null}]})", "is null" },
        { R"({"messages": [{"role": "assistant", "content": "", "tool_calls": [{"id": "a"}]}]})", "tool_calls" },
        { R"({"messages": [{"role": "assistant", "tool_calls": [{"id": "a"}]}]})", "chats with tools" },
        { R"({"messages": [{"role": "assistant", "content": null, "function_call": {"name": "f"}}]})",
          "function_call" },
        { R"({"messages": [{"role": "tool", "content": "20 C"}]})", "a tool's answer" },
        { R"({"tools": [{"type": "function"}], "messages": [{"role": "user", "content": "a"}]})", "\"tools\"" },
        { R"({"messages": [{"role": "user", "content": 1}]})", "neither a string nor a list" },
        { R"({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]})", "is not text" },
    };
    for (const auto & one : cases) {
        const std::string message = CHECK_FAILURE(error_code::data_invalid, parse_data_record(one.first));
        const std::string reason = one.second;
        CHECK_EQUAL(message.find(reason) != std::string::npos ? reason : message, reason);
    }
    // Nesting that would overflow the stack of a recursive reader.
    CHECK_FAILURE(error_code::data_invalid, parse_data_record(std::string(1000000, '[')));
}

// --- examples ---

struct tokenizing {
    tokenizing() : model(load_model({ file.str(), 0 }, load_depth::weights, [](float) { return true; })) {}

    example of(const std::string & line, uint32_t max_tokens = 100, bool close_response = true) {
        return example_tokenizer(model.get(), max_tokens, 0).to_example(parse_data_record(line), close_response);
    }
    std::string text(const std::vector<llama_token> & tokens) {
        return detokenize(llama_model_get_vocab(model.get()), tokens, /*special*/ true);
    }

    model_path file{ tiny_model() };
    model_ptr model;
};

TEST("a prompt and its response are put together, the response closed") {
    tokenizing with;
    const llama_vocab * vocab = llama_model_get_vocab(with.model.get());
    const auto joined = [](const example & made) {
        std::vector<llama_token> all = made.prompt;
        all.insert(all.end(), made.response.begin(), made.response.end());
        return all;
    };
    const example made = with.of(R"({"prompt": "abc\n", "response": "de"})");
    CHECK(made.prompt == tokenize(vocab, "abc\n", text_place::whole, true));
    CHECK_EQUAL(made.response.back(), llama_vocab_eos(vocab));
    CHECK_EQUAL(with.text({ made.response.begin(), made.response.end() - 1 }), std::string("de"));

    // A token that spans the border belongs to the response.
    const example spanning = with.of(R"({"prompt": "abc", "response": "de"})");
    std::vector<llama_token> whole = tokenize(vocab, "abcde", text_place::whole, true);
    whole.push_back(llama_vocab_eos(vocab));
    CHECK(joined(spanning) == whole);

    const example text = with.of(R"({"text": "abc de"})");
    CHECK(joined(text) == tokenize(vocab, "abc de", text_place::whole, true));
    CHECK(text.prompt == tokenize(vocab, "", text_place::whole, true));
}

TEST("a response can be left open, but not if its end is all of it") {
    tokenizing with;
    for (const char * line :
         { R"({"prompt": "abc", "response": "de"})", R"({"prompt": "abc", "response": "de</s>"})" }) {
        const example closed = with.of(line), open = with.of(line, 100, false);
        CHECK(open.prompt == closed.prompt);
        CHECK_EQUAL(open.response.size() + 1, closed.response.size());
        CHECK(std::equal(open.response.begin(), open.response.end(), closed.response.begin()));
    }
    CHECK_FAILURE(error_code::data_invalid, with.of(R"({"prompt": "abc\n", "response": "</s>"})", 100, false));
    const example text = with.of(R"({"text": "abc</s>"})");
    CHECK(text.response == with.of(R"({"text": "abc</s>"})", 100, false).response);
}

TEST("records that make no example are refused") {
    tokenizing with;
    for (const char * line : { R"({"prompt": "a", "response": ""})", R"({"text": ""})" })
        CHECK_FAILURE(error_code::data_invalid, with.of(line));
    CHECK_FAILURE(
        error_code::model_unsupported,
        with.of(R"({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]})"));
    const std::string message =
        CHECK_FAILURE(error_code::data_invalid, with.of(R"({"prompt": "abcdefgh", "response": "abcdefgh"})", 8));
    CHECK(message.find("more than the 8") != std::string::npos);
    for (const char * line :
         { R"({"messages": [{"role": "user", "content": "a"}]})",
           R"({"messages": [{"role": "assistant", "content": "a"}]})",
           R"({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": ""}]})" })
        CHECK_FAILURE(error_code::data_invalid, with.of(line));
}
