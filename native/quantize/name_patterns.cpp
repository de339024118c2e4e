#include "name_patterns.h"

#include "failure.h"

#include <regex>

namespace overfill {

// Longer ones take std::regex more stack than a thread may have.
static constexpr size_t longest_pattern = 512;
// A repeat is as many states, and each takes stack as well. Names of tensors have fewer than 64 characters.
static constexpr int most_repeated = 64;

[[noreturn]] static void refuse(const std::string & why) {
    throw failure(error_code::invalid_argument, "options.tensorTypes: " + why,
                  { { "parameter", "options.tensorTypes" } });
}

static bool repeats_too_often(const std::string & pattern) {
    static const std::regex counts("\\{[^}]*[0-9]{3,}|\\{[^}]*(6[5-9]|[7-9][0-9])");
    static_assert(most_repeated == 64, "the expression says so");
    return std::regex_search(pattern, counts);
}

static std::regex compiled(const std::string & pattern) {
#ifdef __GLIBCXX__
    // By sets of states instead of by going back, which would take a time exponential in nested repeats. There are no
    // references to what was found then. Other libraries give up by themselves (error_complexity).
    return std::regex(pattern, std::regex_constants::ECMAScript | std::regex_constants::__polynomial);
#else
    return std::regex(pattern);
#endif
}

static bool is_word(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

// Letters, digits and points, which say nothing that would have to be tried in several ways.
static bool is_plain(const std::string & pattern) {
    for (size_t i = 0; i < pattern.size(); i++) {
        if (pattern[i] == '\\' && i + 1 < pattern.size() && pattern[i + 1] == '.')
            i++;
        else if (!is_word(pattern[i]) && pattern[i] != '.')
            return false;
    }
    return true;
}

static std::string exactly(const std::string & name) {
    std::string out = "^";
    for (const char c : name) {
        if (!is_word(c) && (unsigned char) c < 0x80) out += '\\';
        out += c;
    }
    return out + "$";
}

std::deque<std::pair<std::string, size_t>> simple_patterns(const std::vector<tensor_type_rule> & rules,
                                                           const std::vector<stored_tensor> & tensors,
                                                           const std::atomic<bool> & stop) {
    std::deque<std::pair<std::string, size_t>> out;
    std::vector<bool> is_named(tensors.size());
    for (size_t i = 0; i < rules.size(); i++) {
        const std::string & pattern = rules[i].pattern;
        if (pattern.size() > longest_pattern)
            refuse("a pattern has at most " + std::to_string(longest_pattern) + " characters");
        if (repeats_too_often(pattern))
            refuse("a pattern repeats something at most " + std::to_string(most_repeated) + " times");
        // llama.cpp takes a pattern that matches nothing for granted; it is a slip of the pen.
        bool found = false;
        try {
            const std::regex expression = compiled(pattern);
            if (is_plain(pattern)) out.push_back({ pattern, i });
            for (size_t j = 0; j < tensors.size(); j++) {
                if (stop) throw failure(error_code::aborted, "the quantisation was aborted");
                if (!std::regex_search(tensors[j].name, expression)) continue;
                found = true;
                if (!is_named[j] && !is_plain(pattern)) out.push_back({ exactly(tensors[j].name), i });
                is_named[j] = true;
            }
        } catch (const std::regex_error & error) {
            refuse("'" + pattern + "' is not a regular expression: " + error.what());
        }
        if (!found) refuse("no tensor of the model has a name with '" + pattern + "' in it");
    }
    return out;
}

}  // namespace overfill
