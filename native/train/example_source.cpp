#include "example_source.h"

#include "data_record.h"
#include "failure.h"
#include "text_check.h"
#include "text_windows.h"

#include <algorithm>

namespace overfill {

namespace {

class line_source : public example_source {
  public:
    line_source(const source_options & options, const llama_model * model)
        : lines_(options.path, options.window, options.seed), tokenizer_(model, options.max_tokens, time_of_chats) {}

    drawn_example next() override {
        const data_line line = lines_.next();
        drawn_example out;
        out.number = line.number;
        out.epoch = line.epoch;
        out.problem = line_problem(line.text);
        if (!out.problem.empty()) return out;
        try {
            out.value = tokenizer_.to_example(parse_data_record(line.text));
        } catch (const failure & error) {
            if (error.code() != error_code::data_invalid) throw;
            out.problem = error.what();
        }
        return out;
    }
    const line_position & position() const override { return lines_.position(); }
    void resume(line_position position) override { lines_.resume(std::move(position)); }

  private:
    shuffled_lines lines_;
    example_tokenizer tokenizer_;
};

class window_source : public example_source {
  public:
    window_source(const source_options & options, const llama_model * model)
        : vocab_(llama_model_get_vocab(model)),
          windows_(options.path, vocab_, options.max_tokens, options.window, options.seed) {}

    drawn_example next() override {
        text_window window = windows_.next();
        drawn_example out;
        out.number = window.number;
        out.epoch = window.epoch;
        out.value.is_text = true;
        // As of a line of plain text, only the token that every text begins with is no text.
        const bool has_beginning = llama_vocab_get_add_bos(vocab_) && window.tokens[0] == llama_vocab_bos(vocab_);
        const auto border = window.tokens.begin() + (has_beginning ? 1 : 0);
        out.value.prompt.assign(window.tokens.begin(), border);
        out.value.response.assign(border, window.tokens.end());
        return out;
    }
    const line_position & position() const override { return windows_.position(); }
    void resume(line_position position) override { windows_.resume(std::move(position)); }

  private:
    const llama_vocab * vocab_;
    text_windows windows_;
};

}  // namespace

static bool is_plain_text(const std::string & path) {
    const std::string ending = ".txt";
    return path.size() >= ending.size() &&
           std::equal(ending.begin(), ending.end(), path.end() - (std::ptrdiff_t) ending.size(),
                      [](char a, char b) { return a == (b >= 'A' && b <= 'Z' ? (char) (b - 'A' + 'a') : b); });
}

std::unique_ptr<example_source> open_source(const source_options & options, const llama_model * model) {
    if (is_plain_text(options.path)) return std::make_unique<window_source>(options, model);
    return std::make_unique<line_source>(options, model);
}

// Until the first one of the second epoch.
template <class Source> static uint64_t count(Source & source, const std::atomic<bool> & stop) {
    uint64_t n = 0;
    while (source.next().epoch == 0) {
        n++;
        if (stop) throw failure(error_code::aborted, "training was aborted");
    }
    return n;
}

uint64_t count_examples(const source_options & options, const llama_model * model, const std::atomic<bool> & stop) {
    if (is_plain_text(options.path)) {
        text_windows windows(options.path, llama_model_get_vocab(model), options.max_tokens, 1, 0);
        return count(windows, stop);
    }
    shuffled_lines lines(options.path, 1, 0);
    return count(lines, stop);
}

}  // namespace overfill
