// What a sampler chain leaves of the vocabulary, as probabilities, and the rule of speculative sampling (Leviathan et
// al., arXiv 2211.17192): a token that was drawn from q is kept with probability min(1, p/q), else one is drawn from
// what p has more than q. What comes out is distributed as p, whatever q is.
#pragma once

#include <llama.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace overfill {

class token_distribution {
  public:
    struct entry {
        llama_token token;
        double p;
    };

    token_distribution() = default;
    // All of the probability on one token.
    explicit token_distribution(llama_token token) : entries_{ { token, 1.0 } } {}
    // Weights of different tokens, at least one above 0; they are normalized.
    explicit token_distribution(std::vector<entry> weights) : entries_(std::move(weights)) { normalize(); }

    const std::vector<entry> & entries() const { return entries_; }

    double of(llama_token token) const {
        for (const entry & one : entries_)
            if (one.token == token) return one.p;
        return 0;
    }

    // `u` in [0, 1).
    llama_token draw(double u) const {
        double sum = 0;
        for (const entry & one : entries_)
            if ((sum += one.p) > u) return one.token;
        // The sum may be a little below 1.
        return std::max_element(entries_.begin(), entries_.end(),
                                [](const entry & a, const entry & b) { return a.p < b.p; })
            ->token;
    }

    // Of p: what it has more than q, normalized. p itself if that is nothing, as where the two are equal but for
    // rounding.
    static token_distribution residual(const token_distribution & p, const token_distribution & q) {
        std::vector<entry> left;
        double sum = 0;
        // Both by token: of a whole vocabulary, a look-up each would take its square.
        std::vector<entry> others = q.entries_;
        const auto by_token = [](const entry & a, const entry & b) { return a.token < b.token; };
        std::sort(others.begin(), others.end(), by_token);
        for (const entry & one : p.entries_) {
            const auto other = std::lower_bound(others.begin(), others.end(), one, by_token);
            const double more = one.p - (other != others.end() && other->token == one.token ? other->p : 0.0);
            if (more <= 0) continue;
            left.push_back({ one.token, more });
            sum += more;
        }
        return sum > 0 ? token_distribution(std::move(left)) : p;
    }

  private:
    void normalize() {
        double sum = 0;
        for (const entry & one : entries_) sum += one.p;
        for (entry & one : entries_) one.p /= sum;
    }

    std::vector<entry> entries_;  // of different tokens
};

// Numbers in [0, 1) that depend on a seed, a position and a purpose only, so that an answer that is taken up in its
// middle goes on with the same ones.
enum class drawn_for : uint32_t { draft, acceptance, replacement };

inline double uniform_at(uint32_t seed, uint64_t position, drawn_for purpose) {
    // splitmix64's finalizer, over a counter that no two (position, purpose) share
    uint64_t x = ((uint64_t) seed << 32 | 0x9e3779b9u) + (position * 4 + (uint64_t) purpose + 1) * 0x9e3779b97f4a7c15u;
    for (int i = 0; i < 2; i++) {
        x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
        x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
        x ^= x >> 31;
    }
    return (double) (x >> 11) * 0x1p-53;
}

}  // namespace overfill
