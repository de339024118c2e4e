#include "token_pieces.h"

#include <algorithm>

namespace overfill {

std::string piece_of(const llama_vocab * vocab, llama_token token) {
    std::string piece(32, '\0');
    int32_t n = llama_token_to_piece(vocab, token, piece.data(), (int32_t) piece.size(), 0, /*special*/ true);
    if (n < 0) {
        piece.resize((size_t) -n);
        n = llama_token_to_piece(vocab, token, piece.data(), (int32_t) piece.size(), 0, /*special*/ true);
    }
    piece.resize((size_t) std::max(n, 0));
    return piece;
}

const std::vector<token_piece> & token_pieces::in_order() {
    if (!pieces_.empty()) return pieces_;
    std::vector<token_piece> made;
    for (llama_token token = 0; token < llama_vocab_n_tokens(vocab_); token++) {
        if (llama_vocab_is_eog(vocab_, token)) continue;
        std::string bytes = piece_of(vocab_, token);
        if (bytes.empty() || bytes.find('\0') != std::string::npos) continue;
        made.push_back({ token, 0, std::move(bytes) });
    }
    std::sort(made.begin(), made.end(), [](const token_piece & a, const token_piece & b) { return a.bytes < b.bytes; });
    for (size_t i = 1; i < made.size(); i++) {
        const std::string &a = made[i - 1].bytes, &b = made[i].bytes;
        size_t n = 0;
        while (n < std::min(a.size(), b.size()) && a[n] == b[n]) n++;
        made[i].n_shared = (uint32_t) n;
    }
    pieces_ = std::move(made);
    return pieces_;
}

}  // namespace overfill
