#include "corpus.h"

#include "failure.h"
#include "text.h"

#include <algorithm>
#include <filesystem>

namespace overfill {

static constexpr size_t piece_bytes = 1 << 16;

[[noreturn]] static void refuse(const std::string & path, const std::string & why) {
    throw failure(error_code::file_read_failed, path + " cannot be read: " + why, { { "path", path } });
}

void check_text_file(const std::string & path) {
    namespace fs = std::filesystem;
    const fs::path file = fs::u8path(path);
    std::error_code error;
    if (!fs::exists(file, error)) refuse(path, "it does not exist");
    if (!fs::is_regular_file(file, error)) refuse(path, "it is not a file");
    if (!std::ifstream(file, std::ios::binary)) refuse(path, "the system refuses it");
}

corpus::corpus(const std::string & path, const llama_vocab * vocab, uint32_t chunk_size)
    : path_(path), vocab_(vocab), chunk_size_(chunk_size) {
    check_text_file(path);
    std::error_code error;
    n_bytes_ = std::filesystem::file_size(std::filesystem::u8path(path), error);
    file_.open(std::filesystem::u8path(path), std::ios::binary);
    if (error || !file_) refuse(path, "the system refuses it");

    prefix_ = tokenize(vocab, "", /*add_special*/ true, /*parse_special*/ false);
    // Some vocabularies also close every text; a chunk ends wherever it is full.
    if (llama_vocab_get_add_eos(vocab) && !prefix_.empty() && prefix_.back() == llama_vocab_eos(vocab))
        prefix_.pop_back();
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
    if (file_.bad()) refuse(path_, "the system refuses it");
    text.resize((size_t) file_.gcount());
    n_read_ += text.size();
    const bool ended = text.empty();
    text.insert(0, rest_);
    if (text.empty()) return false;
    const size_t cut = ended ? text.size() : cut_of(text);
    rest_ = text.substr(cut);
    text.resize(cut);
    const std::vector<llama_token> tokens = tokenize(vocab_, text, /*add_special*/ false, /*parse_special*/ true);
    tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
    return true;
}

size_t corpus::cut_of(const std::string & text) const {
    const size_t line = text.rfind('\n');
    if (line != std::string::npos) return line + 1;
    const size_t word = text.rfind(' ');  // the space goes with the word behind it
    if (word != std::string::npos && word > 0) return word;
    return whole_utf8_prefix(text);
}

}  // namespace overfill
