// Bounds on what a chat template may do. It comes with a model file, llama.cpp's interpreter runs whatever it says, and
// nothing outside can stop that: so the parsed template is rewritten, every node into one of the same type that counts
// first. Depth, work, memory and time have limits far above what chats need (template_meter.cpp).
//
// For this room only: it includes llama.cpp's interpreter.
#pragma once

#include "jinja/lexer.h"
#include "jinja/runtime.h"

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace overfill {

// Not a std::exception: the interpreter wraps those, one by one, on the way through every level.
struct template_limit {
    std::string what;  // "the template ..."
};

// The stack that parsing and rendering need within the limits (deep_stack.h).
constexpr size_t template_stack_bytes = (size_t) 256 << 20;

// Before parsing: what would recurse deeper than that stack is refused.
void check_tokens(const jinja::lexer_result & lexed);

// Rewrites the program. It then runs only while a template_budget exists on the thread.
void meter(jinja::program & program);

// What `n_renderings` may use together. At most one a thread.
class template_budget {
  public:
    explicit template_budget(uint32_t n_renderings = 1);
    ~template_budget();
    template_budget(const template_budget &) = delete;
    template_budget & operator=(const template_budget &) = delete;

    // The one of this thread.
    static template_budget & current();

    void enter();  // a level deeper
    void leave() { depth_--; }
    void charge(uint64_t units);
    void charge_text(uint64_t n_bytes);

  private:
    const uint32_t n_renderings_;
    uint64_t used_ = 0, n_text_ = 0;
    uint32_t depth_ = 0, n_steps_ = 0;
    const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// No single text may be longer.
constexpr uint64_t max_template_text = (uint64_t) 16 << 20;

// What the value costs to print or to compare, and a check that it is neither too deep nor too large. With `inside`:
// that it does not contain that value.
void charge_value(template_budget & budget, const jinja::value & value, const jinja::value_t * inside = nullptr);

// Before a built-in function, filter or test of that name runs, `arguments[0]` what it is applied to: built-in
// functions run to their end uncounted, and some divide, or sort by an order that is none.
void check_builtin(template_budget & budget, const std::string & name, const std::vector<jinja::value> & arguments);

// Before a text is repeated.
void check_repetition(template_budget & budget, const jinja::value & text, int64_t times);

}  // namespace overfill
