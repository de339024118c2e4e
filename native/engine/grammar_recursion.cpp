#include "grammar_recursion.h"

#include <algorithm>

namespace overfill {

using kind = grammar_element::kind;

namespace {

// Which rules can be empty: a sequence of rules is once each of them is. Linear, by counting what is left of each.
std::vector<bool> empty_rules(const grammar & g) {
    struct sequence {
        uint32_t rule;
        uint32_t n_left;
    };
    std::vector<sequence> sequences;
    std::vector<std::vector<uint32_t>> used_by(g.rules.size());
    std::vector<bool> empty(g.rules.size());
    std::vector<uint32_t> todo;
    const auto mark = [&](uint32_t rule) {
        if (!empty[rule]) todo.push_back(rule);
        empty[rule] = true;
    };
    for (uint32_t rule = 0; rule < g.rules.size(); rule++)
        for (const uint32_t begin : g.rules[rule]) {
            uint32_t end = begin;
            while (g.elements[end].is == kind::rule) end++;
            if (g.elements[end].is != kind::end) continue;
            for (uint32_t i = begin; i < end; i++) used_by[g.elements[i].value].push_back((uint32_t) sequences.size());
            sequences.push_back({ rule, end - begin });
            if (end == begin) mark(rule);
        }
    while (!todo.empty()) {
        const uint32_t rule = todo.back();
        todo.pop_back();
        for (const uint32_t i : used_by[rule])
            if (--sequences[i].n_left == 0) mark(sequences[i].rule);
    }
    return empty;
}

struct edge {
    uint32_t to;
    bool last;  // nothing comes behind it
};

std::vector<std::vector<edge>> leftmost_edges(const grammar & g) {
    const std::vector<bool> empty = empty_rules(g);
    std::vector<std::vector<edge>> edges(g.rules.size());
    for (uint32_t rule = 0; rule < g.rules.size(); rule++)
        for (const uint32_t begin : g.rules[rule])
            for (uint32_t i = begin; g.elements[i].is == kind::rule; i++) {
                edges[rule].push_back({ g.elements[i].value, g.elements[i + 1].is == kind::end });
                if (!empty[g.elements[i].value]) break;
            }
    return edges;
}

// Tarjan's strongly connected components, without recursion: rules may be chained by the thousand.
std::vector<uint32_t> components(const std::vector<std::vector<edge>> & edges) {
    constexpr uint32_t none = UINT32_MAX;
    const size_t n = edges.size();
    std::vector<uint32_t> order(n, none), low(n, 0), component(n, none), open;
    struct visit {
        uint32_t rule;
        size_t next;
    };
    std::vector<visit> path;
    uint32_t n_seen = 0, n_components = 0;
    for (uint32_t root = 0; root < n; root++) {
        if (order[root] != none) continue;
        path.push_back({ root, 0 });
        while (!path.empty()) {
            const uint32_t rule = path.back().rule;
            if (path.back().next == 0 && order[rule] == none) {
                order[rule] = low[rule] = n_seen++;
                open.push_back(rule);
            }
            if (path.back().next < edges[rule].size()) {
                const uint32_t to = edges[rule][path.back().next++].to;
                if (order[to] == none)
                    path.push_back({ to, 0 });
                else if (component[to] == none)
                    low[rule] = std::min(low[rule], order[to]);
                continue;
            }
            if (low[rule] == order[rule]) {
                uint32_t member;
                do {
                    member = open.back();
                    open.pop_back();
                    component[member] = n_components;
                } while (member != rule);
                n_components++;
            }
            path.pop_back();
            if (!path.empty()) low[path.back().rule] = std::min(low[path.back().rule], low[rule]);
        }
    }
    return component;
}

}  // namespace

std::optional<uint32_t> find_left_recursion(const grammar & rules) {
    const auto edges = leftmost_edges(rules);
    const auto component = components(edges);
    for (uint32_t rule = 0; rule < edges.size(); rule++)
        for (const edge & e : edges[rule])
            if (!e.last && component[e.to] == component[rule]) return rule;
    return std::nullopt;
}

}  // namespace overfill
