#include "answer_trace.h"

#include <algorithm>

namespace overfill {

static bool same_rules(const sampling_options & a, const sampling_options & b) {
    return a.grammar == b.grammar && a.grammar_lazy == b.grammar_lazy && a.grammar_triggers == b.grammar_triggers &&
           a.generation_prompt == b.generation_prompt && a.reasoning == b.reasoning;
}

static bool same_mirostat(const sampling_options & a, const sampling_options & b) {
    return a.mirostat == b.mirostat && a.mirostat_tau == b.mirostat_tau && a.mirostat_eta == b.mirostat_eta;
}

answer_trace::beginning answer_trace::begin(sampling_options & options, size_t n_written) {
    // Tokens that were taken back took their numbers with them.
    const size_t n_taken_back = drawn_.size() - std::min(n_written, drawn_.size());
    drawn_.resize(n_written);
    mirostat_.resize(mirostat_.size() - std::min(n_taken_back, mirostat_.size()));
    const bool is_new = n_written == 0;
    if (is_new || !same_rules(before_, options) || rules_from_ > n_written) {
        before_ = options;
        rules_from_ = n_written;
    }
    const bool other_seed = options.has_seed ? options.seed != seed_ : parted_;
    parted_ = false;
    if (is_new || seed_from_ > n_written || other_seed) {
        seed_from_ = n_written;
        mirostat_.clear();
    } else {
        options.has_seed = true;
        options.seed = seed_;
    }
    if (!same_mirostat(last_, options)) mirostat_.clear();
    last_ = options;
    random_draws drawn;
    for (size_t i = seed_from_; i < n_written; i++) {
        drawn.choices += drawn_[i] / 16;
        drawn.xtc += drawn_[i] % 16;
    }
    return { rules_from_, drawn, mirostat_.empty() ? nullptr : mirostat_.back() };
}

void answer_trace::add(const random_draws & drawn, mirostat_state mirostat) {
    drawn_.push_back((uint8_t) (16 * drawn.choices + drawn.xtc));
    if (!mirostat) return;
    mirostat_.push_back(std::move(mirostat));
    if (mirostat_.size() > 512) mirostat_.pop_front();
}

// --- as bytes ---

static void write_texts(byte_writer & to, const std::vector<std::string> & texts) {
    to.number<uint64_t>(texts.size());
    for (const std::string & text : texts) to.text(text);
}

static std::vector<std::string> read_texts(byte_reader & from) {
    std::vector<std::string> texts(from.count(sizeof(uint64_t)));
    for (std::string & text : texts) text = from.text();
    return texts;
}

// Of the options what same_rules compares.
static void write_rules(byte_writer & to, const sampling_options & rules) {
    to.text(rules.grammar);
    to.truth(rules.grammar_lazy);
    to.number<uint64_t>(rules.grammar_triggers.size());
    for (const grammar_trigger & trigger : rules.grammar_triggers) {
        to.number<uint8_t>((uint8_t) trigger.is);
        to.text(trigger.value);
        to.number<int32_t>(trigger.token);
    }
    to.text(rules.generation_prompt);
    to.truth(rules.reasoning.has_value());
    if (!rules.reasoning) return;
    to.number<int32_t>(rules.reasoning->budget);
    write_texts(to, rules.reasoning->start_tags);
    write_texts(to, rules.reasoning->end_tags);
    to.text(rules.reasoning->message);
    to.truth(rules.reasoning->inside);
}

static sampling_options read_rules(byte_reader & from) {
    sampling_options rules;
    rules.grammar = from.text();
    rules.grammar_lazy = from.truth();
    rules.grammar_triggers.resize(from.count(1 + sizeof(uint64_t) + sizeof(int32_t)));
    for (grammar_trigger & trigger : rules.grammar_triggers) {
        const auto kind = from.number<uint8_t>();
        if (kind > (uint8_t) grammar_trigger::kind::whole_pattern) throw bad_record("a trigger is of no kind");
        trigger.is = (grammar_trigger::kind) kind;
        trigger.value = from.text();
        trigger.token = from.number<int32_t>();
    }
    rules.generation_prompt = from.text();
    if (!from.truth()) return rules;
    rules.reasoning.emplace();
    rules.reasoning->budget = from.number<int32_t>();
    rules.reasoning->start_tags = read_texts(from);
    rules.reasoning->end_tags = read_texts(from);
    rules.reasoning->message = from.text();
    rules.reasoning->inside = from.truth();
    return rules;
}

void answer_trace::write(byte_writer & to) const {
    write_rules(to, before_);
    to.number<uint64_t>(rules_from_);
    to.number<uint32_t>(seed_);
    to.number<uint64_t>(seed_from_);
    to.truth(parted_);
    to.list(drawn_);
}

answer_trace answer_trace::read(byte_reader & from) {
    answer_trace out;
    out.before_ = read_rules(from);
    out.rules_from_ = (size_t) from.number<uint64_t>();
    out.seed_ = from.number<uint32_t>();
    out.seed_from_ = (size_t) from.number<uint64_t>();
    out.parted_ = from.truth();
    out.drawn_ = from.list<uint8_t>();
    return out;
}

}  // namespace overfill
