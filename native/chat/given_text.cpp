#include "given_text.h"

#include <algorithm>

namespace overfill {

using jinja::is_val;
using jinja::value;

static thread_local rendering_record * current_record = nullptr;

rendering_record::rendering_record() { current_record = this; }
rendering_record::~rendering_record() { current_record = nullptr; }
rendering_record * rendering_record::current() { return current_record; }

void rendering_record::begin() { renderings_.emplace_back(); }

void rendering_record::add(const value & printed) {
    const auto text = jinja::runtime::gather_string_parts(printed);
    for (const auto & part : text->val_str.parts)
        if (!part.val.empty()) renderings_.back().push_back({ part.val, part.is_input });
}

static std::string text_of(const std::vector<rendered_piece> & pieces) {
    std::string text;
    for (const rendered_piece & piece : pieces) text += piece.text;
    return text;
}

// How much of `text` the rendering has behind its first `skipped` bytes.
static size_t common_length(const std::string & rendering, size_t skipped, const std::string & text) {
    const size_t n = std::min(rendering.size() - skipped, text.size());
    return (size_t) (std::mismatch(text.begin(), text.begin() + (long) n, rendering.begin() + (long) skipped).first -
                     text.begin());
}

std::vector<rendered_piece> rendering_record::pieces_of(const std::string & text) const {
    const std::vector<rendered_piece> * best = nullptr;
    size_t best_length = 0, best_skipped = 0;
    // The last of equals, as the prompt is often rendered after trials.
    for (auto it = renderings_.rbegin(); it != renderings_.rend() && best_length < text.size(); ++it) {
        const std::string rendering = text_of(*it);
        const size_t first = it->empty() ? 0 : it->front().text.size();
        // BOS may have been taken off: it is at the beginning of the first piece.
        const size_t found = rendering.find(text.substr(0, 32));
        for (const size_t skipped : { (size_t) 0, found != std::string::npos && found <= first ? found : 0 }) {
            const size_t length = common_length(rendering, skipped, text);
            if (length <= best_length) continue;
            best = &*it;
            best_length = length;
            best_skipped = skipped;
        }
    }
    std::vector<rendered_piece> pieces;
    size_t at = 0;
    for (size_t i = 0; best && i < best->size() && at < best_skipped + best_length; i++) {
        const rendered_piece & piece = (*best)[i];
        const size_t begin = std::max(at, best_skipped) - at;
        const size_t end = std::min(at + piece.text.size(), best_skipped + best_length) - at;
        if (end > begin) pieces.push_back({ piece.text.substr(begin, end - begin), piece.given });
        at += piece.text.size();
    }
    if (best_length < text.size()) pieces.push_back({ text.substr(best_length), true });
    return pieces;
}

static bool any_given(const value & of) {
    if (!of) return false;
    for (const auto & part : of->val_str.parts)
        if (part.is_input && !part.val.empty()) return true;
    for (const value & item : of->val_arr)
        if (any_given(item)) return true;
    for (const auto & pair : of->val_obj)
        if (any_given(pair.second)) return true;
    return false;
}

value made_of(const value & source, value made) {
    if (is_val<jinja::value_string>(made) && !any_given(made) && any_given(source)) made->val_str.mark_input();
    return made;
}

value own_word(value word) {
    if (is_val<jinja::value_string>(word))
        for (auto & part : word->val_str.parts) part.is_input = false;
    return word;
}

}  // namespace overfill
