#include "shuffled_lines.h"

#include "corpus.h"
#include "failure.h"
#include "text_check.h"

#include <algorithm>
#include <filesystem>

namespace overfill {

shuffled_lines::shuffled_lines(const std::string & path, uint64_t window, uint64_t seed) : path_(path), size_(window) {
    check_text_file(path);
    const auto file = std::filesystem::u8path(path);
    n_bytes_ = std::filesystem::file_size(file);
    scan_.open(file, std::ios::binary);
    pick_.open(file, std::ios::binary);
    if (!scan_ || !pick_)
        throw failure(error_code::file_read_failed, path + " cannot be read: the system refused access",
                      { { "path", path } });
    position_.random.value = seed;
    if (!fill()) throw failure(error_code::data_invalid, path + " holds no line", { { "path", path } });
}

static bool is_blank(const std::string & line) { return line.find_first_not_of(" \t\r") == std::string::npos; }

std::optional<line_place> shuffled_lines::read_place() {
    std::string line;
    while (std::getline(scan_, line)) {
        const size_t n_mark = position_.next.offset == 0 ? byte_order_mark(line) : 0;
        const line_place place{ position_.next.offset + n_mark, line.size() - n_mark, position_.next.number };
        // The last line may do without its end.
        position_.next.offset += line.size() + (scan_.eof() ? 0 : 1);
        line.erase(0, n_mark);
        position_.next.number++;
        if (!is_blank(line)) return place;
    }
    if (scan_.bad()) throw failure(error_code::file_read_failed, path_ + " cannot be read", { { "path", path_ } });
    return std::nullopt;
}

bool shuffled_lines::fill() {
    while (position_.window.size() < size_) {
        const auto place = read_place();
        if (!place) break;
        position_.window.push_back(*place);
    }
    return !position_.window.empty();
}

std::string shuffled_lines::text_at(const line_place & place) {
    std::string text(place.n_bytes, '\0');
    pick_.clear();
    pick_.seekg((std::streamoff) place.offset);
    pick_.read(&text[0], (std::streamsize) text.size());
    if ((uint64_t) pick_.gcount() != place.n_bytes)
        throw failure(error_code::file_read_failed, path_ + " was changed while it was read", { { "path", path_ } });
    if (!text.empty() && text.back() == '\r') text.pop_back();
    return text;
}

data_line shuffled_lines::next() {
    if (!fill()) {
        position_.epoch++;
        position_.next = { 0, 0, 1 };
        scan_.clear();
        scan_.seekg(0);
        if (!fill())
            throw failure(error_code::file_read_failed, path_ + " was emptied while it was read",
                          { { "path", path_ } });
    }
    const size_t drawn = (size_t) position_.random.below(position_.window.size());
    const line_place place = position_.window[drawn];
    // The order of the rest is kept, so that a window of one and a file's last lines need no special case.
    position_.window.erase(position_.window.begin() + (std::ptrdiff_t) drawn);
    return { text_at(place), place.number, position_.epoch };
}

void shuffled_lines::resume(line_position position) {
    const auto inside = [&](const line_place & place) {
        return place.offset <= n_bytes_ && place.n_bytes <= n_bytes_ - place.offset;
    };
    if (!inside(position.next) || position.window.size() > size_ ||
        !std::all_of(position.window.begin(), position.window.end(), inside))
        throw failure(error_code::data_invalid, path_ + " is not the file that the run began with",
                      { { "path", path_ } });
    position_ = std::move(position);
    scan_.clear();
    scan_.seekg((std::streamoff) position_.next.offset);
}

double shuffled_lines::fraction() const {
    return n_bytes_ == 0 ? 1 : (double) position_.next.offset / (double) n_bytes_;
}

}  // namespace overfill
