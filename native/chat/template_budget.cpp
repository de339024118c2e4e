#include "template_meter.h"

namespace overfill {

// A chat of a thousand messages takes a few hundred thousand units and some ten levels.
static constexpr uint64_t max_units = 10000000, units_per_step = 10, max_text_bytes = (uint64_t) 1 << 30;
static constexpr uint32_t max_depth = 2000;
static constexpr auto max_time = std::chrono::seconds(2);
// The parser takes some 5 KB of stack for a bracket, and 1 KB for what else nests.
static constexpr size_t max_source_bytes = 1 << 20, max_tokens = 100000, max_brackets = 200;

static thread_local template_budget * current_budget = nullptr;

template_budget::template_budget(uint32_t n_renderings) : n_renderings_(n_renderings) { current_budget = this; }

template_budget::~template_budget() { current_budget = nullptr; }

template_budget & template_budget::current() { return *current_budget; }

void template_budget::enter() {
    if (depth_ >= max_depth) throw template_limit{ "the template recurses too deeply" };
    charge(units_per_step);
    // The clock is for what the counts misjudge.
    if (++n_steps_ % 32 == 0 && std::chrono::steady_clock::now() - start_ > n_renderings_ * max_time)
        throw template_limit{ "the template takes too long" };
    depth_++;
}

void template_budget::charge(uint64_t units) {
    if (units > n_renderings_ * max_units - used_) throw template_limit{ "the template does too much work" };
    used_ += units;
}

void template_budget::charge_text(uint64_t n_bytes) {
    if (n_bytes > n_renderings_ * max_text_bytes - n_text_) throw template_limit{ "the template makes too much text" };
    n_text_ += n_bytes;
    charge(n_bytes / 256);
}

void check_tokens(const jinja::lexer_result & lexed) {
    size_t n_open = 0;
    if (lexed.tokens.size() > max_tokens || lexed.source.size() > max_source_bytes)
        throw template_limit{ "the template is too long" };
    for (const jinja::token & token : lexed.tokens) {
        switch (token.t) {
        case jinja::token::open_paren:
        case jinja::token::open_square_bracket:
        case jinja::token::open_curly_bracket: n_open++; break;
        case jinja::token::close_paren:
        case jinja::token::close_square_bracket:
        case jinja::token::close_curly_bracket: n_open -= n_open > 0; break;
        default: break;
        }
        if (n_open > max_brackets) throw template_limit{ "the template nests brackets too deeply" };
    }
}

}  // namespace overfill
