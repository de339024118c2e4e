// At most so many chunks of a text, spread evenly over those that were offered, without knowing beforehand how many
// there will be: a loss on them settles long before a large text is read.
#pragma once

#include <llama.h>

#include <cstddef>
#include <utility>
#include <vector>

namespace overfill {

class chunk_sample {
  public:
    static constexpr size_t most_chunks = 32;

    explicit chunk_sample(size_t most = most_chunks) : most_(most) {}

    void offer(const std::vector<llama_token> & chunk) {
        if (most_ == 0 || n_offered_++ % stride_ != 0) return;
        if (chunks_.size() == most_) {
            // Every other one goes, and from now on every other one comes.
            for (size_t i = 1; 2 * i < chunks_.size(); i++) chunks_[i] = std::move(chunks_[2 * i]);
            chunks_.resize((chunks_.size() + 1) / 2);
            stride_ *= 2;
            if ((n_offered_ - 1) % stride_ != 0 || chunks_.size() == most_) return;
        }
        chunks_.push_back(chunk);
    }
    const std::vector<std::vector<llama_token>> & chunks() const { return chunks_; }

  private:
    std::vector<std::vector<llama_token>> chunks_;
    size_t most_, stride_ = 1, n_offered_ = 0;
};

}  // namespace overfill
