// Whether a saved session is one of a pair, and how its models are numbered there.
#include "failure.h"
#include "saved_session.h"

#include <algorithm>
#include <map>

namespace overfill {

failure saved_session_failure(const std::string & path, const std::string & reason) {
    return failure(error_code::saved_session_invalid, path + " cannot be restored: " + reason,
                   { { "path", path }, { "reason", reason } });
}

namespace {

using facts = std::vector<std::pair<std::string, std::string>>;

class differences {
  public:
    explicit differences(const std::string & path) : details_({ { "path", path } }) {}

    void add(const std::string & name, const std::string & saved, const std::string & loaded) {
        details_.emplace_back(name, saved + " | " + loaded);
        all_ += (all_.empty() ? "" : "; ") + name + " is " + saved + " there and " + loaded + " here";
    }

    void compare(const std::string & of, const facts & saved, const facts & loaded) {
        const auto value_in = [](const facts & list, const std::string & name) {
            for (const auto & [key, value] : list)
                if (key == name) return value;
            return std::string("none");
        };
        for (const auto & [name, value] : saved)
            if (const std::string here = value_in(loaded, name); here != value) add(of + name, value, here);
        for (const auto & [name, value] : loaded)
            if (value_in(saved, name) == "none" && value != "none") add(of + name, "none", value);
    }

    void throw_any(const std::string & path) const {
        if (all_.empty()) return;
        throw failure(error_code::saved_session_mismatch, path + " was saved by another pair: " + all_, details_);
    }

  private:
    error_details details_;
    std::string all_;
};

// The models that a session has to do with: who reads, who writes, and whoever wrote what a cache holds.
std::vector<bool> models_used(const saved_session & saved) {
    std::vector<bool> used(saved.models.size(), false);
    const auto use = [&](pair_side side) { used[(size_t) side] = true; };
    const auto use_all = [&](const cache_ledger & ledger) {
        for (const cache_ledger::run & run : ledger.runs()) use(run.by);
    };
    use(pair_side::prefill);
    use(saved.image.own_writer);
    use(saved.image.writer);
    for (const session_image::cache & cache : saved.image.caches) {
        use(cache.of);
        use_all(cache.held.wanted);
        use_all(cache.held.held);
        if (!cache.held.cells) continue;
        use_all(cache.held.cells->held);
        use_all(cache.held.cells->marked);
    }
    return used;
}

class renumbering {
  public:
    explicit renumbering(std::vector<pair_side> numbers) : numbers_(std::move(numbers)) {}

    void apply(pair_side & side) const { side = numbers_[(size_t) side]; }
    void apply(cache_ledger & ledger) const {
        cache_ledger out;
        for (cache_ledger::run run : ledger.runs()) {
            apply(run.by);
            out.append(run.end - out.size(), run.by);
        }
        ledger = out;
    }
    void apply(session_image & image) const {
        apply(image.own_writer);
        apply(image.writer);
        for (session_image::cache & cache : image.caches) {
            apply(cache.of);
            apply(cache.held.wanted);
            apply(cache.held.held);
            if (!cache.held.cells) continue;
            apply(cache.held.cells->held);
            apply(cache.held.cells->marked);
        }
    }

  private:
    std::vector<pair_side> numbers_;
};

}  // namespace

void fit_to_pair(saved_session & saved, const std::string & path, const pair & models,
                 const std::vector<side_identity> & identity, llama_seq_id sequence) {
    differences found(path);
    std::vector<pair_side> numbers(saved.models.size(), pair_side::prefill);
    const std::vector<bool> used = models_used(saved);
    for (size_t side = 0; side < saved.models.size(); side++) {
        if (!used[side]) continue;
        const side_identity & model = saved.models[side];
        // The prefill model is the first in both, whatever a decode model is called.
        const auto begin = identity.begin() + (side == 0 ? 0 : 1), end = side == 0 ? begin + 1 : identity.end();
        const auto at = std::find_if(begin, end, [&](const side_identity & one) { return one.name == model.name; });
        if (at == end) {
            found.add("writer", model.name, "none of that name");
            continue;
        }
        numbers[side] = (pair_side) (at - identity.begin());
        found.compare(model.name + " ", model.facts, at->facts);
    }
    if (saved.image.tokens.size() > models.info().context_size)
        found.add("contextSize", std::to_string(saved.image.tokens.size()), std::to_string(models.info().context_size));
    found.throw_any(path);

    renumbering(numbers).apply(saved.image);
    for (size_t i = 0; i < saved.image.caches.size(); i++) {
        const pair_side of = saved.image.caches[i].of;
        const std::string name = "cache of " + models.name_of(of) + ": ";
        found.compare(name, saved.layouts[i], state_layout_of(models.context(of)));
    }
    found.throw_any(path);
    const std::string defect = image_defect(saved.image, models, sequence);
    if (!defect.empty()) throw saved_session_failure(path, defect);
}

}  // namespace overfill
