#include "type_decisions.h"

#include "failure.h"
#include "llama_log.h"

#include <algorithm>
#include <cctype>
#include <memory>
#include <new>
#include <thread>
#include <unordered_map>

namespace overfill {

static bool same_name(const std::string & a, const std::string & b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
        return std::tolower((unsigned char) x) == std::tolower((unsigned char) y);
    });
}

ggml_type find_tensor_type(const std::string & name) {
    for (int i = 0; i < GGML_TYPE_COUNT; i++) {
        const char * known = ggml_type_name((ggml_type) i);
        // Types that ggml has given up keep their number and have no blocks.
        if (known && ggml_blck_size((ggml_type) i) > 0 && !name.empty() && same_name(known, name)) return (ggml_type) i;
    }
    return GGML_TYPE_COUNT;
}

static std::string trimmed(const std::string & text) {
    const size_t begin = text.find_first_not_of(' ');
    return begin == std::string::npos ? "" : text.substr(begin, text.find_last_not_of(' ') + 1 - begin);
}

// What stands between two marks, the second of which may be the line's end.
static std::optional<std::string> between(const std::string & line, size_t from, const char * before,
                                          const char * behind) {
    const size_t at = line.find(before, from);
    if (at == std::string::npos) return std::nullopt;
    const size_t begin = at + std::char_traits<char>::length(before);
    const size_t end = *behind ? line.find(behind, begin) : line.size();
    if (end == std::string::npos) return std::nullopt;
    return trimmed(line.substr(begin, end - begin));
}

std::optional<type_decision> read_decision(const std::string & line) {
    if (line.empty() || line[0] != '[') return std::nullopt;
    // From the end: what a tensor is called is its file's business.
    const size_t facts = line.rfind("], type = "), begin = line.find("] ");
    const size_t shape = facts == std::string::npos ? facts : line.rfind(" - [", facts);
    if (shape == std::string::npos || begin == std::string::npos || begin + 2 > shape) return std::nullopt;
    const std::string name = trimmed(line.substr(begin + 2, shape - begin - 2));
    const bool changes = line.find(" MiB -> ", facts) != std::string::npos;
    const auto type = changes ? between(line, line.rfind('('), "(", ")") : between(line, facts, "], type = ", ",");
    if (!type || find_tensor_type(*type) == GGML_TYPE_COUNT) return std::nullopt;
    return type_decision{ name, find_tensor_type(*type), std::nullopt };
}

std::optional<type_decision> read_fallback(const std::string & line) {
    const std::string start = "warning: ";
    const size_t end = line.rfind(" - ncols ");
    if (line.compare(0, start.size(), start) != 0 || end == std::string::npos) return std::nullopt;
    const auto wished = between(line, end, "(required for type", ")");
    if (!wished || find_tensor_type(*wished) == GGML_TYPE_COUNT) return std::nullopt;
    const ggml_type type = find_tensor_type(*wished);
    return type_decision{ trimmed(line.substr(start.size(), end - start.size())), type, type };
}

namespace {

// The lines that are logged on the thread that made it.
class line_collector final : public log_listener {
  public:
    void on_line(log_level, const std::string & line) noexcept override {
        if (std::this_thread::get_id() != thread_) return;
        try {
            lines_.push_back(line);
        } catch (const std::bad_alloc &) {
            incomplete_ = true;
        }
    }

    const std::vector<std::string> & lines() const {
        if (incomplete_ || lost_log_lines() != n_lost_before_) throw std::bad_alloc();
        return lines_;
    }

  private:
    std::thread::id thread_ = std::this_thread::get_id();
    std::vector<std::string> lines_;
    uint64_t n_lost_before_ = lost_log_lines();
    bool incomplete_ = false;
};

// Listens for as long as it lives.
class listening {
  public:
    explicit listening(const std::shared_ptr<log_listener> & listener) : listener_(listener) {
        add_log_listener(listener);
    }
    ~listening() { remove_log_listener(listener_.get()); }
    listening(const listening &) = delete;
    listening & operator=(const listening &) = delete;

  private:
    std::shared_ptr<log_listener> listener_;
};

}  // namespace

std::vector<type_decision> decide_types(const std::string & path, llama_model_quantize_params params) {
    const auto log = std::make_shared<line_collector>();
    {
        const log_capture errors;
        const listening ears(log);
        params.dry_run = true;
        // The name of a file that is not written.
        if (llama_model_quantize(path.c_str(), "", &params) != 0)
            throw failure(error_code::model_unsupported, path + " cannot be quantised this way: " + errors.errors(),
                          { { "path", path } });
    }
    std::vector<type_decision> decisions;
    std::unordered_map<std::string, ggml_type> wished;
    for (const std::string & line : log->lines()) {
        if (auto decision = read_decision(line)) decisions.push_back(*std::move(decision));
        if (auto fallback = read_fallback(line)) wished[fallback->name] = fallback->type;
    }
    for (type_decision & decision : decisions)
        if (const auto found = wished.find(decision.name); found != wished.end()) decision.wished = found->second;
    return decisions;
}

}  // namespace overfill
