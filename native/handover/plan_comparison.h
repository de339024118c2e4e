// For this room only: how a plan's reasons are collected.
#pragma once

#include "pair_plan.h"

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

namespace overfill {

template <class T> inline std::string text_of(const T & value) {
    std::ostringstream out;
    out << value;
    return out.str();
}

inline std::string text_of(bool value) { return value ? "yes" : "no"; }

template <class T> std::string text_of(const std::vector<T> & values) {
    std::ostringstream out;
    const size_t shown = std::min<size_t>(values.size(), 4);
    for (size_t i = 0; i < shown; i++) out << (i ? ", " : "") << values[i];
    if (values.size() > shown) out << ", ... (" << values.size() << ")";
    return values.empty() ? "none" : out.str();
}

// Collects differences; what a difference leads to is the worst of them.
class plan_comparison {
  public:
    explicit plan_comparison(pair_plan & plan) : plan_(plan) {}

    // A difference that a translation deals with, if `served`.
    template <class T>
    void field(const char * name, const T & prefill, const T & decode, bool served, const std::string & message) {
        if (prefill == decode) return;
        // What can only be shared has no translation.
        const handover_kind leads_to = plan_.only_shared.empty() ? handover_kind::translate : handover_kind::impossible;
        add({ name, text_of(prefill), text_of(decode), leads_to, message, served });
    }

    void add(plan_reason reason) {
        if (reason.leads_to == handover_kind::impossible) {
            plan_.kind = handover_kind::impossible;
            reason.served = false;
        } else if (plan_.kind == handover_kind::share) {
            plan_.kind = handover_kind::translate;
        }
        plan_.available = plan_.available && reason.served;
        plan_.reasons.push_back(std::move(reason));
    }

    bool named(const char * field) const {
        const auto names = [&](const plan_reason & reason) { return reason.field == field; };
        return std::any_of(plan_.reasons.begin(), plan_.reasons.end(), names);
    }

  private:
    pair_plan & plan_;
};

}  // namespace overfill
