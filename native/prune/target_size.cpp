#include "target_size.h"

#include "failure.h"

#include <algorithm>
#include <cmath>
#include <optional>

namespace overfill {

std::vector<uint32_t> possible_widths(uint32_t n, uint32_t multiple) {
    std::vector<uint32_t> widths;
    for (uint64_t width = multiple; width < n; width += multiple) widths.push_back((uint32_t) width);
    widths.push_back(n);
    return widths;
}

namespace {

uint32_t nearest_share(const std::vector<uint32_t> & widths, double share) {
    const double wish = share * widths.back();
    uint32_t nearest = widths.front();
    for (const uint32_t width : widths)
        if (std::fabs(width - wish) <= std::fabs(nearest - wish)) nearest = width;
    return nearest;
}

class searching {
  public:
    explicit searching(const target_search & search) : search_(search) {}

    found_size run() {
        const auto & hidden = search_.hidden;
        const auto & ffn = search_.ffn;
        if (hidden.size() == 1) {
            for (const uint32_t width : ffn) look_at(hidden.front(), width);
        } else {
            for (const uint32_t width : hidden) look_at(width, nearest_share(ffn, (double) width / hidden.back()));
            const kept_counts best = found_.counts;
            if (found_.fits)
                for (const uint32_t width : ffn)
                    if (width > best.n_ff) look_at(best.n_embd, width);
        }
        if (!n_sized_ && refusal_) throw failure(*refusal_);
        return found_;
    }

  private:
    void look_at(uint32_t n_embd, uint32_t n_ff) {
        kept_counts counts = search_.fixed;
        counts.n_embd = n_embd;
        counts.n_ff = n_ff;
        rewrite_plan plan;
        try {
            plan = search_.plan(counts);
        } catch (const failure & error) {
            if (error.code() != error_code::invalid_argument) throw;
            refusal_ = error;
            return;
        }
        const uint64_t size = search_.of_params ? plan.n_params : plan.n_bytes;
        found_.smallest = n_sized_++ == 0 ? size : std::min(found_.smallest, size);
        if (size > search_.target || (found_.fits && plan.n_params < n_params_)) return;
        n_params_ = plan.n_params;
        found_.counts = counts;
        found_.size = size;
        found_.fits = true;
    }

    const target_search & search_;
    found_size found_;
    uint64_t n_sized_ = 0, n_params_ = 0;
    std::optional<failure> refusal_;
};

}  // namespace

found_size find_size(const target_search & search) { return searching(search).run(); }

}  // namespace overfill
