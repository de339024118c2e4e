#include "corpus.h"

#include "failure.h"
#include "input_file.h"
#include "text.h"

#include <algorithm>
#include <filesystem>

namespace overfill {

static constexpr size_t piece_bytes = 1 << 16;

[[noreturn]] static void refuse(const std::string & path, const std::string & why) {
    throw failure(error_code::file_read_failed, path + " cannot be read: " + why, { { "path", path } });
}

void check_text_file(const std::string & path) {
    check_input_file(path, data_codes);
    std::ifstream text(std::filesystem::u8path(path), std::ios::binary);
    std::string start(4, '\0');
    text.read(&start[0], (std::streamsize) start.size());
    start.resize((size_t) text.gcount());
    text_check(path).look_at_start(start);
}

corpus::corpus(const std::string & path, const llama_vocab * vocab, uint32_t chunk_size)
    : path_(path), vocab_(vocab), chunk_size_(chunk_size), drops_last_space_(drops_last_space(vocab)), check_(path) {
    check_text_file(path);
    std::error_code error;
    n_bytes_ = std::filesystem::file_size(std::filesystem::u8path(path), error);
    file_.open(std::filesystem::u8path(path), std::ios::binary);
    if (error || !file_) refuse(path, "the system refused access");

    prefix_ = tokenize(vocab, "", text_place::beginning, /*parse_special*/ false);
}

double corpus::fraction() const {
    return n_bytes_ == 0 ? 1 : std::min(1.0, (double) (n_read_ - rest_.size()) / (double) n_bytes_);
}

std::vector<llama_token> corpus::next() {
    const size_t n_wanted = chunk_size_ - std::min<size_t>(chunk_size_ - 1, prefix_.size());
    while (tokens_.size() < n_wanted && read_piece()) {
    }
    if (tokens_.empty()) return {};
    std::vector<llama_token> chunk = prefix_;
    const long n = (long) std::min(n_wanted, tokens_.size());
    chunk.insert(chunk.end(), tokens_.begin(), tokens_.begin() + n);
    tokens_.erase(tokens_.begin(), tokens_.begin() + n);
    return chunk;
}

bool corpus::read_piece() {
    std::string text(piece_bytes, '\0');
    file_.read(&text[0], (std::streamsize) text.size());
    if (file_.bad()) refuse(path_, "the system refused access");
    text.resize((size_t) file_.gcount());
    check_.feed(text.data(), text.size());
    if (n_read_ == 0) {
        n_read_ = text.size();
        text.erase(0, byte_order_mark(text));
    } else {
        n_read_ += text.size();
    }
    const bool ended = text.empty();
    text.insert(0, rest_);
    if (ended) check_.end();
    if (text.empty()) return false;
    const size_t cut = ended ? text.size() : cut_of(text);
    rest_ = text.substr(cut);
    text.resize(cut);
    std::vector<llama_token> tokens = tokenize(vocab_, text, began_ ? text_place::continuation : text_place::beginning,
                                               /*parse_special*/ true, unwritable::leave_out);
    // What a text begins with stands before every chunk already.
    const bool doubled =
        !began_ && tokens.size() >= prefix_.size() && std::equal(prefix_.begin(), prefix_.end(), tokens.begin());
    tokens_.insert(tokens_.end(), tokens.begin() + (doubled ? (std::ptrdiff_t) prefix_.size() : 0), tokens.end());
    began_ = true;
    return true;
}

size_t corpus::cut_of(const std::string & text) const {
    // White space that would be dropped at a piece's end goes with what follows.
    if (drops_last_space_) {
        const size_t space = text.find_last_of(" \n");
        return space != std::string::npos && space > 0 ? space : whole_utf8_prefix(text);
    }
    const size_t line = text.rfind('\n');
    if (line != std::string::npos) return line + 1;
    const size_t word = text.rfind(' ');  // the space goes with the word behind it
    if (word != std::string::npos && word > 0) return word;
    return whole_utf8_prefix(text);
}

}  // namespace overfill
